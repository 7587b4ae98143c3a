// A minimal Lambda runtime loop over one connection that is reused. It does less than AWS's runtime.
import http from "node:http";

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const path = "/2018-06-01/runtime/invocation/";

function call(method, operation, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request({ host, port, method, agent, headers, path: path + operation }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

export class Problem extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
  }
}

function answer(status, body, headers = {}) {
  return { statusCode: status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

export async function serve(handler) {
  for (;;) {
    const { headers, body } = await call("GET", "next");
    let result;
    try {
      const { status, body: content, headers: more } = await handler(JSON.parse(body));
      result = answer(status, content, more);
    } catch (error) {
      if (!(error instanceof Problem)) console.error(error);
      result = answer(error.status ?? 503, { code: error.status ? error.message : "unavailable" });
    }
    await call("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(result));
  }
}
