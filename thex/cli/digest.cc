#include "thex/cli/digest.h"

namespace thex::cli {

void add(Digest& digest, const Text& text) {
  digest.add(std::to_string(text.words.size()) + (text.pair ? " pair" : " text"));
  digest.add(text.text);
  if (text.pair) digest.add(*text.pair);
  for (const std::string& word : text.words) digest.add(word);
}

}  // namespace thex::cli
