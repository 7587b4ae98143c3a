// Short names for the API's types, which `.ci/page` generates from shared/openapi.yaml.

import type { components, operations } from "./openapi.js";

type Schemas = components["schemas"];

/** The JSON body of an operation's response 200. */
type ResponseBody<Operation extends keyof operations> =
  operations[Operation] extends { responses: { 200: { content: { "application/json": infer Json } } } } ? Json : never;

/** The JSON body of an operation's request. */
type RequestBody<Operation extends keyof operations> =
  operations[Operation] extends { requestBody: { content: { "application/json": infer Json } } } ? Json : never;

export type Permission = Schemas["Permission"];
export type Status = Schemas["Status"];
export type Decision = Schemas["Decision"];

export type User = Schemas["User"];
export type Me = Schemas["Me"];
export type FoundLink = ResponseBody<"lookUpPasswordReset">;
export type Users = ResponseBody<"listUsers">;
export type RemovedUser = Schemas["RemovedUser"];
export type RemovedUsers = ResponseBody<"listRemovedUsers">;
export type Tokens = ResponseBody<"refreshSession">;
export type SignIn = RequestBody<"signIn">;
export type ChallengeAnswer = RequestBody<"answerChallenge">;
/** Without a challenge, which distinguishes it from one. */
export type SignedIn = Schemas["SignedIn"] & { challenge?: undefined };
export type Challenge = Exclude<Schemas["SignInResult"], Schemas["SignedIn"]>;

export type NewTotp = Schemas["NewTotp"];
export type Factors = Schemas["Factors"];
export type Passkey = Schemas["Passkey"];
export type PasskeyCreation = Schemas["PasskeyCreationOptions"];
export type PasskeyRequest = Schemas["PasskeyRequestOptions"];
export type Settings = Schemas["Settings"];

export type FieldError = Schemas["FieldError"];
export type ProblemBody = Schemas["Problem"];
export type CharsetReading = Schemas["CharsetReading"];
export type PartProblem = Schemas["PartProblem"];

export type Session = Schemas["Session"];

/** Values of a user by the names of the fields that changed, and facts about the event. The contract leaves their types open. */
export type Facts = Record<string, any>;
export type AuditEvent = Schemas["Event"] & { before: Facts; after: Facts };
export type AuditEvents = ResponseBody<"listAuditEvents"> & { items: AuditEvent[] };

export type Access = Schemas["Access"];
export type Review = ResponseBody<"reviewAccess">;
export type ReviewItem = Schemas["ReviewItem"];
/** The page reads the numbers by the names of its own list of roles. */
export type ReviewSummary = Schemas["ReviewSummary"] & { by_role: Record<string, number> };
export type NewDecision = RequestBody<"decideAccess">;
export type Decided = ResponseBody<"decideAccess">;
/** A first page, which always has these two. */
export type ReviewRecord = ResponseBody<"getReviewRecord"> & { outstanding: unknown[]; users: number };
export type RecordItem = Schemas["ReviewRecordItem"];

/** The page has its own texts, and does not need the messages. */
export type ImportProblem = Omit<Schemas["ImportPreview"]["problems"][number], "message">;
export type ImportPreview = Pick<Schemas["ImportPreview"], "users" | "ignored_columns"> &
  { roles: Record<string, number>, problems: ImportProblem[] };
export type ImportResult = Schemas["ImportReport"]["results"][number];

export type BulkResult = Schemas["BulkResult"];
