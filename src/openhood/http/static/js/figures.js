// Numbers as the language of the page writes them, which need not be the browser's own.
const language = document.documentElement.lang || undefined;
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

export function grouped(number) {
  return number.toLocaleString(language);
}

export function compact(number) {
  return Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 3 }).format(number);
}

export function sizeOf(bytes) {
  let at = 0;
  let value = bytes;
  while (value >= 999.5 && at < UNITS.length - 1) {
    value /= 1000;
    at++;
  }
  const digits = at && value < 100 ? 1 : 0;
  const form = {
    style: "unit",
    unit: UNITS[at],
    unitDisplay: at ? "short" : "narrow",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  };
  return Intl.NumberFormat(language, form).format(value);
}

export function durationOf(seconds) {
  const [value, unit] = seconds < 60 ? [Math.max(1, Math.round(seconds)), "second"]
    : seconds < 3600 ? [Math.round(seconds / 60), "minute"]
      : [Math.round(seconds / 360) / 10, "hour"];
  return Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
}
