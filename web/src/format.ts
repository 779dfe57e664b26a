// Numbers, times and sizes in the format of the user's language.

import { currentLanguage } from "./texts/texts";

/** `1.4 MB`: sizes in decimal units. */
export function bytes(size: number, language = currentLanguage()): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let value = size;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit >= 2 && value < 99.5 ? 1 : 0;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[unit] ?? "byte",
    unitDisplay: unit ? "short" : "long",
    maximumFractionDigits: digits,
  }).format(value);
}

export function percent(value: number, language = currentLanguage()): string {
  return new Intl.NumberFormat(language, { style: "percent" }).format(Math.floor(value) / 100);
}

export function decimal(value: number, digits = 1, language = currentLanguage()): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** `3:05`, `1:02:09`: a position in a recording, or its duration. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** `1:02:03.5`: exact to the millisecond, for input fields. */
export function exactClock(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000);
  const fraction = milliseconds % 1000;
  const text = clock(Math.floor(milliseconds / 1000));
  return fraction ? `${text}.${String(fraction).padStart(3, "0").replace(/0+$/, "")}` : text;
}

/** Parses `90`, `1:30`, `1:02:03.5` or `1m 30s`; undefined if the text is not a time. */
export function parseClock(text: string): number | undefined {
  const typed = text.trim();
  const match =
    /^(?:(?:(\d{1,4}):(?=[0-5]?\d:))?(\d{1,4}):(?=[0-5]?\d(?:\D|$)))?(\d{1,7}(?:[.,]\d{1,9})?)$/.exec(typed) ??
    /^(?=\d)(?:(\d{1,4}) ?h)? ?(?:(\d{1,4}) ?m(?:in)?)? ?(?:(\d{1,7}(?:[.,]\d{1,9})?) ?s)?$/i.exec(typed);
  if (!match) return undefined;
  const [, hours = "0", minutes = "0", seconds = "0"] = match;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds.replace(",", "."));
}

/** `in 6 days`, `in 20 minutes`. */
export function until(moment: string, now = Date.now(), language = currentLanguage()): string {
  const seconds = (Date.parse(moment) - now) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (Math.abs(seconds) >= 36 * 3600) return format.format(Math.round(seconds / 86_400), "day");
  if (Math.abs(seconds) >= 90 * 60) return format.format(Math.round(seconds / 3600), "hour");
  return format.format(Math.round(seconds / 60), "minute");
}

/** `7 days`, `12 hours`: a span of time, rounded. */
export function inDays(seconds: number, language = currentLanguage()): string {
  const [value, unit] = seconds >= 36 * 3600 ? [seconds / 86_400, "day"] : [seconds / 3600, "hour"];
  const format = new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: "long",
    maximumFractionDigits: 0,
  });
  return format.format(Math.max(1, value));
}

export function dateTime(moment: string, language = currentLanguage()): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));
}

/** `20 s`, `4 min`, `2 h`: the approximate time left. */
export function roughly(seconds: number, language = currentLanguage()): string {
  const write = (value: number, unit: string) =>
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
  if (seconds < 60) return write(Math.max(1, Math.ceil(seconds)), "second");
  if (seconds < 5400) return write(Math.round(seconds / 60), "minute");
  return write(Math.round(seconds / 360) / 10, "hour");
}
