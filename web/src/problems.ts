import { Problem } from "./api/client";
import { t, textIfKnown } from "./texts/texts";

/** Returns what failed and what to do, in the user's language: by the error code, or else the service's text. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return t("errors.unexpected");
  const fields = error.fields.map(({ field, message }) => `${field}: ${message}.`);
  return explainCode(error.code, fields.join(" ") || error.message);
}

/** The same for a code from another object, such as a failed conversion. */
export function explainCode(code: string, detail = ""): string {
  return textIfKnown(`errors.${code}`, { detail }) ?? (detail || t("errors.unexpected"));
}
