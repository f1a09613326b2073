// Any bytes as vocab.txt: an Error(model), or a tokenizer whose ids are lines of the file.
#include "fuzz/scratch_folder.h"
#include "thex/base/error.h"
#include "thex/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const thex::fuzz::ScratchFolder folder;
  if (size == 0) return 0;
  // Half of the inputs start with the special tokens, so that mutations reach what lies behind them.
  std::string text = data[0] & 2 ? "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" : "";
  text += thex::fuzz::text_of(data + 1, size - 1);
  const auto path = folder.write("vocab.txt", text);
  try {
    const auto tokenizer = thex::text::Tokenizer::load(path, data[0] & 1);
    for (const auto id : tokenizer.encode("The movie was unbelievably good; a b [MASK] \u4e2d!", "##ing \u00e9").ids) {
      if (id < 0 || id >= tokenizer.vocab_size() || text.find(tokenizer.token(id)) == std::string::npos) std::abort();
    }
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::model) std::abort();
  }
  return 0;
}
