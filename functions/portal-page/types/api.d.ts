// The types of the API, as far as the page uses them.

export type Role = "primary_admin" | "admin" | "manager" | "viewer";
export type AssignableRole = Exclude<Role, "primary_admin">;
export type Status = "active" | "suspended";
export type Reason = "never_signed_in" | "inactive" | "initial_password_unused" | "exceeds_role_default" | "not_reviewed";
export type Decision = "keep" | "reduce" | "suspend" | "remove";

export interface User {
  id: string;
  partner_id: string;
  first_name: string;
  last_name: string;
  email: string;
  role: Role;
  permissions: string[];
  status: Status;
  must_change_password: boolean;
  last_sign_in_at: string | null;
  version: number;
}

export interface Users {
  items: User[];
  next_cursor: string | null;
  total: number;
}

export interface Tokens {
  access_token: string;
  /** In seconds. */
  expires_in: number;
}

export interface SignedIn extends Tokens {
  challenge?: undefined;
  user: User;
}

export type Challenge =
  | { challenge: "new_password_required"; session: string }
  | { challenge: "choose_partner"; session: string; partners: { id: string; name: string }[] };

export interface FieldError {
  field: string;
  code: string;
}

export interface ProblemBody {
  code: string;
  errors?: FieldError[];
}

export interface Session {
  id: string;
  created_at: string;
  address: string;
  browser: string | null;
  is_current: boolean;
}

/** Values of a user by the names of the fields that changed, and facts about the event. */
export type Facts = Record<string, any>;

export interface AuditEvent {
  id: string;
  at: string;
  action: string;
  actor: { kind: string; id: string | null; name: string | null };
  target: { id: string; name: string } | null;
  address: string | null;
  before: Facts;
  after: Facts;
}

export interface AuditEvents {
  items: AuditEvent[];
  next_cursor: string | null;
}

export interface Access {
  role: AssignableRole;
  permissions: string[];
}

export interface ReviewItem {
  user: User;
  password_changed_at: string | null;
  open_sessions: number;
  reviewed_at: string | null;
  reviewed_by: { name: string } | null;
  reasons: Reason[];
  /** The access after the decision "reduce", or null if it would change nothing. */
  reduced: Access | null;
}

export interface ReviewSummary {
  users: number;
  to_look_at: number;
  reviewed: number;
  by_role: Record<string, number>;
  by_last_sign_in: { within_days: number | null; users: number }[];
  never_signed_in: number;
}

export interface Review {
  items: ReviewItem[];
  next_cursor: string | null;
  total: number;
  summary: ReviewSummary;
}

export interface Decided {
  user: User | null;
  reviewed_at: string;
}

export interface RecordItem {
  at: string;
  user: { id: string; name: string };
  email: string;
  decision: Decision;
  note: string | null;
  reviewed_by: { name: string };
  role_before: Role;
  role_after: Role | null;
}

export interface ReviewRecord {
  made_at: string;
  made_by: { name: string };
  partner: { name: string };
  items: RecordItem[];
  next_cursor: string | null;
  /** Only on the first page, like `users`. */
  outstanding: { id: string; name: string; email: string; role: Role }[];
  users: number;
}

export interface ImportUser {
  line: number;
  first_name: string;
  last_name: string;
  email: string;
  role: AssignableRole;
}

export interface ImportProblem extends FieldError {
  line: number;
}

export interface ImportPreview {
  users: ImportUser[];
  problems: ImportProblem[];
}

export interface PartProblem {
  code: string;
}

export interface ImportResult {
  line: number;
  email: string;
  outcome: "added" | "exists" | "refused" | "unavailable";
  user: User | null;
  generated_password: string | null;
  problem: PartProblem | null;
}

export interface BulkResult {
  user_id: string;
  outcome: "done" | "unchanged" | "refused" | "not_found" | "unavailable";
  problem: PartProblem | null;
}
