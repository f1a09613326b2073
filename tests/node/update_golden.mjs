// Fills in the ids of thex/text/testdata/tokenizer_golden.jsonl with those of Hugging Face's own tokenizer:
//
//   node update_golden.mjs tokenizer.json ../../thex/text/testdata/tokenizer_golden.jsonl
//
// Each line is {"text": ..., "ids": [...]}, written in ASCII so that no editor changes a character.
import { readFileSync, writeFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";

const [description, golden] = process.argv.slice(2);
const tokenizer = new Tokenizer(JSON.parse(readFileSync(description, "utf8")), {});

function ascii(text) {
  return text.replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

const lines = readFileSync(golden, "utf8").trimEnd().split("\n");
const updated = lines.map((line) => {
  const { text } = JSON.parse(line);
  return ascii(JSON.stringify({ text, ids: tokenizer.encode(text).ids }));
});
writeFileSync(golden, updated.join("\n") + "\n");
