// Token ids by Hugging Face's own tokenizer, for thex/text/tokenizer_reference_test.cc.
//
//   node tokenizer_ids.mjs tokenizer.json < cases > ids
//
// A case is one line of JSON: [text], or [text, pair], or [text, pair, max_length] (pair may be null). The answer is one
// line: the ids, a bar, the token types. Truncation and padding settings of tokenizer.json are ignored by the package;
// max_length is applied here, by taking away one token at a time. An array of words in the place of the text is a
// sentence that is split already: then the numbers of the tokens' words (-1: none) stand in the place of the types.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Tokenizer } from "@huggingface/tokenizers";

const description = JSON.parse(readFileSync(process.argv[2], "utf8"));
description.truncation = null;
description.padding = null;
const tokenizer = new Tokenizer(description, {});
const cls = tokenizer.token_to_id("[CLS]");
const sep = tokenizer.token_to_id("[SEP]");

function pieces(text) {
  return tokenizer.encode(text, { add_special_tokens: false }).ids;
}

// Longest first: the longer list loses a token; of two equally long ones, the one that was shorter at the start (the first
// when they were equal) does. This is what BertTokenizerFast's closed formula amounts to.
function truncate(a, b, room) {
  const firstWasShorter = a.length <= b.length;
  while (a.length + b.length > room) {
    if (a.length > b.length) a.pop();
    else if (b.length > a.length) b.pop();
    else if (firstWasShorter && a.length > 0) a.pop();
    else b.pop();
  }
}

function encodeWords(words, maxLength) {
  const ids = [];
  const numbers = [];
  words.forEach((word, number) => {
    for (const id of pieces(word)) {
      ids.push(id);
      numbers.push(number);
    }
  });
  const room = maxLength === null ? ids.length : maxLength - 2;
  return [
    [cls, ...ids.slice(0, room), sep],
    [-1, ...numbers.slice(0, room), -1],
  ];
}

function encode([text, pair = null, maxLength = null]) {
  if (Array.isArray(text)) return encodeWords(text, maxLength);
  if (maxLength === null) {
    const whole = tokenizer.encode(text, { text_pair: pair, return_token_type_ids: true });
    return [whole.ids, whole.token_type_ids];
  }
  const a = pieces(text);
  const b = pair === null ? [] : pieces(pair);
  truncate(a, b, maxLength - (pair === null ? 2 : 3));
  const first = [cls, ...a, sep];
  const second = pair === null ? [] : [...b, sep];
  return [
    [...first, ...second],
    [...first.map(() => 0), ...second.map(() => 1)],
  ];
}

const output = [];
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const [ids, types] = encode(JSON.parse(line));
  output.push(`${ids.join(" ")} | ${types.join(" ")}`);
  if (output.length >= 10000) process.stdout.write(output.splice(0).join("\n") + "\n");
}
if (output.length > 0) process.stdout.write(output.join("\n") + "\n");
