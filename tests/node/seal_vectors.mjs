// Microsoft SEAL's side of tests/seal_reference_test.cc, by the package node-seal (SEAL 4.1 as WebAssembly).
//
//   node seal_vectors.mjs FOLDER
//
// Makes keys and ciphertexts, computes, prints "ready"; then reads one line, a JSON list of ciphertexts to decrypt, and
// prints "done". FOLDER holds objects in SEAL's plain binary format (parameters, secret, ...), vectors of doubles (*.f64,
// SEAL's slots) and manifest.json:
//   scale      of the ciphertexts that SEAL encrypts
//   steps      rotations for which SEAL makes keys (0 is conjugation)
//   own_steps  rotations for which own_galois has keys
// SEAL runs with its security check at 128 bits.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import SEAL from "node-seal";

const folder = process.argv[2];
const read = (name) => new Uint8Array(readFileSync(join(folder, name)));
const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));

const seal = await SEAL();
const plainFormat = seal.ComprModeType.none;
const write = (name, object) => writeFileSync(join(folder, name), object.saveArray(plainFormat));

const parameters = seal.EncryptionParameters(seal.SchemeType.ckks);
parameters.loadArray(read("parameters"));
const context = seal.Context(parameters, true, seal.SecurityLevel.tc128);
if (!context.parametersSet()) throw new Error("SEAL refuses the parameters");

// Loading checks the object against the context.
function load(object, name) {
  object.loadArray(context, read(name));
  return object;
}

const secret = load(seal.SecretKey(), "secret");
const encoder = seal.CKKSEncoder(context);

make();
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  decrypt(JSON.parse(line));
  console.log("done");
}

function make() {
  write("parameters_again", parameters);
  const generator = seal.KeyGenerator(context, secret);
  const relin = generator.createRelinKeys();
  const galois = generator.createGaloisKeys(Int32Array.from(manifest.steps));
  write("relin", relin);
  write("galois", galois);

  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const encode = (name) => {
    const bytes = read(name + ".f64");
    return encoder.encode(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8), manifest.scale);
  };
  const p = encode("p");
  const x = encryptor.encrypt(encode("x"));
  const y = encryptor.encryptSymmetric(encode("y"));
  write("p", p);
  write("x", x);
  write("y", y);

  const evaluator = seal.Evaluator(context);
  const product = evaluator.multiply(x, y);
  const timesPlain = evaluator.multiplyPlain(x, p);
  const relinearized = evaluator.relinearize(product, relin);
  const lower = evaluator.rescaleToNext(relinearized);
  write("sum", evaluator.add(x, y));
  write("difference", evaluator.sub(x, y));
  write("negated", evaluator.negate(x));
  write("plus_plain", evaluator.addPlain(x, p));
  write("times_plain", timesPlain);
  write("times_plain_rescaled", evaluator.rescaleToNext(timesPlain));
  write("dropped", evaluator.cipherModSwitchToNext(x));
  write("product", product);
  write("product_rescaled", evaluator.rescaleToNext(product));
  const square = evaluator.square(x);
  write("square", square);
  write("square_rescaled", evaluator.rescaleToNext(square));
  write("relinearized", relinearized);
  write("lower", lower);
  for (const steps of manifest.steps) write("rotated_" + steps, rotate(evaluator, x, steps, galois));
  for (const steps of manifest.steps) write("lower_rotated_" + steps, rotate(evaluator, lower, steps, galois));

  // The other library's ciphertexts and keys.
  const ownX = load(seal.CipherText(), "own_x");
  const ownY = load(seal.CipherText(), "own_y");
  const ownP = load(seal.PlainText(), "own_p");
  const ownRelin = load(seal.RelinKeys(), "own_relin");
  const ownGalois = load(seal.GaloisKeys(), "own_galois");
  write("with_own_product", evaluator.rescaleToNext(evaluator.relinearize(evaluator.multiply(ownX, ownY), ownRelin)));
  write("with_own_plain", evaluator.multiplyPlain(ownX, ownP));
  write("with_both", evaluator.multiplyPlain(evaluator.add(ownX, y), p));
  for (const steps of manifest.own_steps) {
    write("with_own_rotated_" + steps, rotate(evaluator, ownX, steps, ownGalois));
  }
}

function rotate(evaluator, ciphertext, steps, galois) {
  return steps === 0
    ? evaluator.complexConjugate(ciphertext, galois)
    : evaluator.rotateVector(ciphertext, steps, galois);
}

function decrypt(names) {
  const decryptor = seal.Decryptor(context, secret);
  for (const name of names) {
    const slots = encoder.decode(decryptor.decrypt(load(seal.CipherText(), name)));
    writeFileSync(join(folder, name + ".f64"), new Uint8Array(slots.buffer, slots.byteOffset, slots.byteLength));
  }
}
