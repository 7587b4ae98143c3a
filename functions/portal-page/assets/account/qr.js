// QR codes (ISO/IEC 18004) of texts, in byte mode with the error correction level L: a screen is clean, and larger modules are
// easier to scan.

/** The bits of level L in the information about the format. */
const LEVEL = 1;

/** For each version from 1: the number of blocks, and the error correction codewords of each block. */
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25];
const CORRECTION = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, ...Array(14).fill(30)];

/** Width of the light border around the code, in modules. */
const BORDER = 4;

/**
 * The masks: whether each inverts the module in a row and a column.
 * @type {((row: number, column: number) => boolean)[]}
 */
const MASKS = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_row, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => row * column % 2 + row * column % 3 === 0,
  (row, column) => (row * column % 2 + row * column % 3) % 2 === 0,
  (row, column) => ((row + column) % 2 + row * column % 3) % 2 === 0,
];

/** @param {number} version */
const alignmentsOf = (version) => (version > 1 ? Math.floor(version / 7) + 2 : 0);

/**
 * The number of codewords in a version.
 * @param {number} version
 */
function codewordsIn(version) {
  const alignments = alignmentsOf(version);
  // What the finders, the timing patterns and the format leave.
  let modules = (16 * version + 128) * version + 64;
  if (alignments > 0) modules -= (25 * alignments - 10) * alignments - 55;
  if (version > 6) modules -= 36;
  return Math.floor(modules / 8);
}

/**
 * Multiplies in the field of 256 elements with the polynomial 0x11d.
 * @param {number} a
 * @param {number} b
 */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) product = (product << 1) ^ (product >> 7 ? 0x11d : 0) ^ (b >> bit & 1 ? a : 0);
  return product;
}

/**
 * The error correction codewords for the data of a block.
 * @param {number[]} data
 * @param {number} count
 */
function correctionOf(data, count) {
  let generator = [1];
  for (let index = 0, root = 1; index < count; index += 1, root = times(root, 2)) {
    generator = [...generator, 0].map((factor, at) => factor ^ times(generator[at - 1] ?? 0, root));
  }
  const rest = [...data, ...Array(count).fill(0)];
  for (let at = 0; at < data.length; at += 1) {
    const factor = rest[at];
    generator.forEach((other, index) => { rest[at + index] ^= times(other, factor); });
  }
  return rest.slice(data.length);
}

/**
 * Appends the check bits of a code with this generator.
 * @param {number} value
 * @param {number} bits The number of check bits.
 * @param {number} generator
 */
function checked(value, bits, generator) {
  let rest = value << bits;
  for (let bit = 31 - Math.clz32(rest); bit >= bits; bit -= 1) if (rest >> bit & 1) rest ^= generator << bit - bits;
  return value << bits | rest;
}

/**
 * The codewords of a text, in the order in which they are placed, and the version.
 * @param {string} text
 */
function encode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const capacity = (/** @type {number} */ version) => codewordsIn(version) - BLOCKS[version - 1] * CORRECTION[version - 1];
  /** @param {number} version */
  const lengthBytes = (version) => (version > 9 ? 2 : 1);
  let version = 1;
  // The mode and the end need four bits each.
  while (version < 40 && bytes.length + lengthBytes(version) + 1 > capacity(version)) version += 1;
  const length = lengthBytes(version) === 2 ? [bytes.length >> 8, bytes.length & 255] : [bytes.length];
  const content = [...length, ...bytes];
  // The content follows the four bits of the mode, so every codeword has halves of two bytes.
  const data = content.map((byte, index) => (index === 0 ? 4 : content[index - 1] & 15) << 4 | byte >> 4);
  data.push((content.at(-1) ?? 0) << 4 & 255);
  for (let pad = 0xec; data.length < capacity(version); pad ^= 0xec ^ 0x11) data.push(pad);

  const [blocks, correction] = [BLOCKS[version - 1], CORRECTION[version - 1]];
  const short = Math.floor(data.length / blocks);
  const parts = [];
  for (let index = 0, at = 0; index < blocks; index += 1) {
    // The last blocks have one codeword more.
    const end = at + short + (index >= blocks - data.length % blocks ? 1 : 0);
    parts.push(data.slice(at, end));
    at = end;
  }
  const codewords = [];
  for (let at = 0; at <= short; at += 1) codewords.push(...parts.flatMap((part) => part.slice(at, at + 1)));
  const checks = parts.map((part) => correctionOf(part, correction));
  for (let at = 0; at < correction; at += 1) codewords.push(...checks.map((check) => check[at]));
  return { version, codewords };
}

/**
 * The penalty of a code: the lower, the better it can be scanned.
 * @param {boolean[][]} rows
 */
function penalty(rows) {
  const columns = rows.map((_, column) => rows.map((row) => row[column]));
  let sum = 0;
  for (const line of [...rows, ...columns]) {
    const text = line.map(Number).join("");
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
    sum += 40 * [...text.matchAll(/(?=10111010000|00001011101)/g)].length;
  }
  for (let row = 1; row < rows.length; row += 1) {
    for (let column = 1; column < rows.length; column += 1) {
      const square = [rows[row - 1][column - 1], rows[row - 1][column], rows[row][column - 1]];
      if (square.every((module) => module === rows[row][column])) sum += 3;
    }
  }
  const dark = rows.flat().filter(Boolean).length / rows.length ** 2;
  return sum + 10 * Math.floor(Math.abs(dark * 20 - 10));
}

/**
 * The rows of the code for a text. True is a dark module.
 * @param {string} text
 */
export function qrCode(text) {
  const { version, codewords } = encode(text);
  const size = 4 * version + 17;
  /** @type {(boolean | undefined)[][]} */
  const fixed = Array.from({ length: size }, () => Array(size).fill(undefined));
  /**
   * A pattern of squares around a module.
   * @param {number} row
   * @param {number} column
   * @param {number} radius
   * @param {number[]} light The distances from the middle that are light.
   */
  const squares = (row, column, radius, light) => {
    for (let y = -radius; y <= radius; y += 1) {
      for (let x = -radius; x <= radius; x += 1) {
        const isIn = row + y >= 0 && row + y < size && column + x >= 0 && column + x < size;
        if (isIn) fixed[row + y][column + x] = !light.includes(Math.max(Math.abs(x), Math.abs(y)));
      }
    }
  };
  for (let at = 0; at < size; at += 1) fixed[6][at] = fixed[at][6] = at % 2 === 0;
  for (const [row, column] of [[3, 3], [3, size - 4], [size - 4, 3]]) squares(row, column, 4, [2, 4]);
  const alignments = alignmentsOf(version);
  const step = version === 32 ? 26 : Math.ceil((size - 13) / (2 * alignments - 2)) * 2;
  const places = Array.from({ length: alignments }, (_, index) => (index === 0 ? 6 : size - 7 - step * (alignments - 1 - index)));
  const corners = ["6,6", `6,${size - 7}`, `${size - 7},6`];
  for (const row of places) for (const column of places) if (!corners.includes(`${row},${column}`)) squares(row, column, 2, [1]);
  if (version > 6) {
    const bits = checked(version, 12, 0x1f25);
    for (let bit = 0; bit < 18; bit += 1) {
      const [a, b] = [Math.floor(bit / 3), size - 11 + bit % 3];
      fixed[a][b] = fixed[b][a] = (bits >> bit & 1) === 1;
    }
  }
  /**
   * Places the information about the format.
   * @param {(boolean | undefined)[][]} rows
   * @param {number} mask
   */
  const setFormat = (rows, mask) => {
    const bits = checked(LEVEL << 3 | mask, 10, 0x537) ^ 0x5412;
    for (let bit = 0; bit < 15; bit += 1) {
      const isDark = (bits >> bit & 1) === 1;
      // Row and column 6 have the timing patterns.
      if (bit < 8) rows[bit < 6 ? bit : bit + 1][8] = rows[8][size - 1 - bit] = isDark;
      else rows[8][bit === 8 ? 7 : 14 - bit] = rows[size - 15 + bit][8] = isDark;
    }
    rows[size - 8][8] = true;
  };
  setFormat(fixed, 0);

  const content = fixed.map((row) => [...row]);
  let bit = 0;
  // Pairs of columns from the right, upwards and downwards in turn, without the column of the timing pattern.
  for (let right = size - 1, isUp = true; right > 0; right -= right === 8 ? 3 : 2, isUp = !isUp) {
    for (let step = 0; step < size; step += 1) {
      const row = isUp ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (fixed[row][column] !== undefined) continue;
        content[row][column] = (codewords[bit >> 3] >> 7 - (bit & 7) & 1) === 1;
        bit += 1;
      }
    }
  }
  const masked = MASKS.map((isInverted, mask) => {
    const rows = content.map((line, row) =>
      line.map((module, column) => Boolean(module) !== (fixed[row][column] === undefined && isInverted(row, column))));
    setFormat(rows, mask);
    return { rows, penalty: penalty(rows) };
  });
  return masked.reduce((best, other) => (other.penalty < best.penalty ? other : best)).rows;
}

/**
 * Draws the code for a text into an SVG element.
 * @param {SVGElement} svg
 * @param {string} text
 */
export function drawQrCode(svg, text) {
  const rows = qrCode(text);
  const size = rows.length + 2 * BORDER;
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const dark = rows.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x + BORDER} ${y + BORDER}h1v1h-1z` : [])));
  path.setAttribute("d", dark.join(""));
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.replaceChildren(path);
}
