// Random numbers that are the same for the same seed, on every machine.

/** A function that draws numbers in [0, 1): Marsaglia's xorshift of 32 bits (2003, J. Stat. Softw. 8:14). */
export function generator(seed) {
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  const draw = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let skipped = 0; skipped < 16; skipped++) draw(); // seeds that are neighbours begin alike
  return draw;
}
