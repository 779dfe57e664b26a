import { Problem } from "./api/client";
import { t, textIfKnown } from "./texts/texts";

/** Says what went wrong and what to do, in the reader's language: by the error's code, else in the service's words. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return t("errors.unexpected");
  const fields = error.fields.map(({ field, message }) => `${field}: ${message}.`);
  return explainCode(error.code, fields.join(" ") || error.message);
}

/** The same, of a code that came with something else, such as a failed conversion. */
export function explainCode(code: string, detail = ""): string {
  return textIfKnown(`errors.${code}`, { detail }) ?? (detail || t("errors.unexpected"));
}
