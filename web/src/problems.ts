import { Problem } from "./api/client";
import { facts } from "./facts";
import REFUSALS from "./refusals.json";
import { t, textIfKnown, type Key, type Values } from "./texts/texts";

/** The names of fields that forms send, and their rules. */
const RULES: Record<string, [name: Key, rule: Key, values?: () => Values]> = {
  username: ["sign_in.username", "sign_in.username_rule"],
  password: ["sign_in.password", "sign_in.password_rule", passwordValues],
  new_password: ["password.new", "sign_in.password_rule", passwordValues],
  email: ["account.email", "invalid.email"],
  url: ["webhooks.url", "invalid.url"],
};

/** Returns what failed and what to do, in the user's language: by the error code, or else the service's text. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return t("errors.unexpected");
  const rules = error.fields.flatMap(({ field }) => ruleOf(field.split(".").at(-1) ?? ""));
  return rules.join(" ") || explainCode(error.code, error.message);
}

/** The same for a code from another object, such as a failed conversion. `detail` is the service's sentence in English. */
export function explainCode(code: string, detail = ""): string {
  const option = code === "invalid_option" && textIfKnown(`option.${/^\w*/.exec(detail)?.[0]}`);
  if (option) return t("invalid.option", { option });
  if (code === "unsupported_format") return refusal(detail);
  return textIfKnown(`errors.${code}`) ?? (detail || t("errors.unexpected"));
}

/** Returns what kind of file is not converted, which the code does not say, and what to do instead. */
function refusal(detail: string): string {
  const [kind] = Object.entries(REFUSALS).find(([, end]) => detail.endsWith(end)) ?? [];
  return textIfKnown(`refused.${kind}`) ?? t("errors.unsupported_format");
}

function ruleOf(field: string): string[] {
  const [name, rule, values] = RULES[field] ?? [];
  return name && rule ? [t("invalid.field", { name: t(name), rule: t(rule, values?.()) })] : [];
}

function passwordValues(): Values {
  return { length: facts.password_min_length };
}
