//! The floor with one read of DynamoDB: a hand-written request on a connection that is reused, without SDK, signature
//! and TLS. The environment sets the request (`READ_OPERATION`, `READ_BODY`) and the server (`READ_ADDRESS`).

use std::env;

use lambda_http::{Body, Error, Request, Response, run, service_fn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let address = env::var("READ_ADDRESS")?;
    let (operation, body) = (env::var("READ_OPERATION")?, env::var("READ_BODY")?);
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=floor/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let connection: Mutex<Option<TcpStream>> = Mutex::new(None);
    let (address, request, connection) = (&address, &request, &connection);
    run(service_fn(move |_: Request| async move {
        let mut connection = connection.lock().await;
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request.as_bytes()).await?;
        let answer = answer(&mut stream).await?;
        *connection = Some(stream);
        let answer = Response::builder().header("content-type", "application/json").body(Body::Text(answer))?;
        Ok::<_, Error>(answer)
    }))
    .await
}

/// Reads the body of a response that has a content length.
async fn answer(stream: &mut TcpStream) -> Result<String, Error> {
    let mut received = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err("the connection ended".into());
        }
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(format!("DynamoDB returned: {}", String::from_utf8_lossy(&received)).into());
        }
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .ok_or("the response has no content length")?
            .trim()
            .parse()?;
        if received.len() >= end + 4 + length {
            return Ok(String::from_utf8(received.split_off(end + 4))?);
        }
    }
}
