// The options of a conversion, read from the API's description, so that new options appear by themselves.

import { call } from "../api/client";
import type { OptionValue } from "../api/types";
import { MODES } from "./presets";

export type Kind = "choice" | "integer" | "number" | "time" | "flag" | "text" | "long_text" | "split" | "track";

export interface OptionField {
  name: string;
  kind: Kind;
  /** The API's description, for options that have no text of the page's. */
  title: string;
  description: string;
  default: OptionValue;
  choices: OptionValue[];
  min: number | undefined;
  max: number | undefined;
  maxLength: number | undefined;
}

export const GROUPS = {
  sound: ["channels", "sample_rate_hz", "loudness_lufs", "fade_in_s", "fade_out_s", "fail_on_damage"],
  cut: ["start_s", "end_s", "track", "split", "silence_s", "silence_db", "timing"],
  tags: [
    "title",
    "artist",
    "album",
    "date",
    "genre",
    "comment",
    "track_number",
    "keep_tags",
    "keep_private_tags",
    "id3_version",
  ],
  cover: ["chapters", "own_chapters"],
} as const;
GROUPS satisfies Record<string, readonly string[]>;
export type Group = keyof typeof GROUPS | "other";

/** Options that other controls set. */
const ELSEWHERE = ["preset", ...MODES, "cover", "cover_at_s"];
const TIMES = ["start_s", "end_s", "cover_at_s"];

interface Schema {
  title?: string;
  description?: string;
  type?: string;
  enum?: OptionValue[];
  anyOf?: Schema[];
  default?: OptionValue;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

export function fieldOf(name: string, schema: Schema): OptionField {
  const types = schema.anyOf?.map((each) => each.type) ?? [schema.type];
  return {
    name,
    kind: kindOf(name, schema, types),
    title: schema.title ?? name,
    description: schema.description ?? "",
    default: schema.default ?? null,
    choices: choicesOf(schema),
    min: schema.minimum,
    max: schema.maximum,
    maxLength: schema.maxLength,
  };
}

/** Returns the allowed values; an option whose values are numbers and texts has an enumeration for each type. */
function choicesOf(schema: Schema): OptionValue[] {
  if (schema.enum) return schema.enum;
  const listed = schema.anyOf?.flatMap((each) => each.enum ?? []) ?? [];
  return listed.length ? [...listed, null] : [];
}

function kindOf(name: string, schema: Schema, types: (string | undefined)[]): Kind {
  if (name === "split" || name === "track") return name;
  if (choicesOf(schema).length) return "choice";
  if (types.includes("boolean")) return "flag";
  if (TIMES.includes(name)) return "time";
  if (types.includes("integer")) return "integer";
  if (types.includes("number")) return "number";
  return (schema.maxLength ?? 0) > 1000 ? "long_text" : "text";
}

/** Returns the fields by group. Fields that no group lists are in `other`. The cover has a separate control. */
export function grouped(fields: readonly OptionField[]): [Group, OptionField[]][] {
  const known = Object.entries(GROUPS).map(([group, names]): [Group, OptionField[]] => [
    group as Group,
    names.flatMap((name) => fields.filter((field) => field.name === name)),
  ]);
  const named: readonly string[] = [...Object.values(GROUPS).flat(), ...ELSEWHERE];
  known.push(["other", fields.filter((field) => !named.includes(field.name))]);
  return known.filter(([group, found]) => found.length || group === "cover");
}

interface OpenApi {
  components: { schemas: { ConversionOptions?: { properties: Record<string, Schema> } } };
}

/** Returns the options in an OpenAPI description. */
export function fieldsIn(openapi: OpenApi): OptionField[] {
  const { ConversionOptions: options } = openapi.components.schemas;
  return Object.entries(options?.properties ?? {}).map(([name, schema]) => fieldOf(name, schema));
}

let loading: Promise<OptionField[]> | undefined;

/** Reads the options from the API, once. */
export function loadFields(): Promise<OptionField[]> {
  loading ??= call<OpenApi>("GET", "openapi.json").then(fieldsIn);
  loading.catch(() => (loading = undefined));
  return loading;
}
