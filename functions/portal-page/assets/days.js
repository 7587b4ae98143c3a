// Days of the reader's own clock, as the fields for dates have them: `2026-11-22`.

/** The day on which a date is. */
export const dayOf = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((number) => String(number).padStart(2, "0")).join("-");

/** When a day begins, or the one `later` days after it; nothing where it is not a day. */
export function beginOf(day, later = 0) {
  const [year, month, date] = day.split("-").map(Number);
  const begin = new Date(year, month - 1, date + later);
  return Number.isNaN(begin.valueOf()) ? undefined : begin.toISOString();
}

/** How many whole days ago a time was. */
export const daysSince = (time) => Math.max(0, Math.floor((Date.now() - new Date(time)) / 86_400_000));
