#include "thex/checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/json.h"

namespace thex::checkpoint {
namespace {

constexpr std::size_t kMaxRank = 8;
constexpr std::size_t kMaxValues = 500000;  // a tensor needs about 20
constexpr std::size_t kMaxKeyBytes = 100, kMaxNameBytes = 1000;

enum class Kind { mark, none, boolean, integer, real, text, list, tuple, dictionary, global, storage, tensor };
constexpr const char* kKindNames[] = {"a mark", "None",    "a boolean",    "an integer", "a float",   "a string",
                                      "a list", "a tuple", "a dictionary", "a global",   "a storage", "a tensor"};

struct Value {
  Kind kind = Kind::none;
  std::int64_t integer = 0;               // integer, boolean
  std::string text;                       // text; global: "module.name"
  std::vector<Value*> items;              // list, tuple; dictionary: key, value, key, value, ..
  std::unique_ptr<PickledTensor> tensor;  // storage (its part of the fields), tensor
};

// The names that a state dict may refer to.
constexpr std::array<std::string_view, 4> kCallable{"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                                                    "torch._utils._rebuild_parameter",
                                                    "torch.jit._pickle.restore_type_tag"};
constexpr std::array<std::string_view, 10> kStorages{"FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage",
                                                     "LongStorage",  "IntStorage",  "ShortStorage",    "CharStorage",
                                                     "ByteStorage",  "BoolStorage"};

bool is_storage(std::string_view global) {
  if (!global.starts_with("torch.")) return false;
  return std::find(kStorages.begin(), kStorages.end(), global.substr(6)) != kStorages.end();
}

class Machine {
 public:
  explicit Machine(std::string_view code) : code_(code) {}

  const Value& run() {
    while (step()) {
    }
    if (stack_.size() != 1) fail("ends with " + std::to_string(stack_.size()) + " values instead of one");
    return *stack_.back();
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorCode::model, "pickle, byte " + std::to_string(at_) + ": " + problem);
  }

 private:
  // Reading the code.
  std::string_view take(std::uint64_t count) {
    if (count > code_.size() - position_) fail("is cut off");
    const std::string_view bytes = code_.substr(position_, count);
    position_ += count;
    return bytes;
  }
  template <typename Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof(Number)).data(), sizeof(Number));
    return value;
  }
  std::string line() {
    const std::size_t end = code_.find('\n', position_);
    if (end == std::string_view::npos) fail("is cut off");
    std::string text(code_.substr(position_, end - position_));
    position_ = end + 1;
    return text;
  }

  // The stack. Values live as long as the machine, so that they may refer to each other in any way.
  Value& push(Kind kind) {
    if (values_.size() >= kMaxValues) fail("has more than " + std::to_string(kMaxValues) + " values");
    values_.emplace_back().kind = kind;
    stack_.push_back(&values_.back());
    return values_.back();
  }
  void push_integer(std::int64_t value) { push(Kind::integer).integer = value; }
  void push_text(std::string_view text) { push(Kind::text).text = text; }
  Value* pop() {
    if (stack_.empty()) fail("takes a value from an empty stack");
    Value* const top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Value& top(Kind kind, const char* what) {
    if (stack_.empty() || stack_.back()->kind != kind) fail(std::string("expected ") + what);
    return *stack_.back();
  }
  std::vector<Value*> pop_to_mark() {
    const auto mark =
        std::find_if(stack_.rbegin(), stack_.rend(), [](const Value* value) { return value->kind == Kind::mark; });
    if (mark == stack_.rend()) fail("has no mark on the stack");
    std::vector<Value*> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }
  void push_tuple(std::size_t count) {
    std::vector<Value*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push(Kind::tuple).items = std::move(items);
  }
  void memoize(std::uint64_t index) {
    if (stack_.empty()) fail("remembers a value of an empty stack");
    if (memo_.size() >= kMaxValues) fail("stores more than " + std::to_string(kMaxValues) + " values");
    memo_[index] = stack_.back();
  }
  void recall(std::uint64_t index) {
    const auto it = memo_.find(index);
    if (it == memo_.end()) fail("recalls value " + std::to_string(index) + ", which it has not stored");
    stack_.push_back(it->second);
  }
  void set_items(const std::vector<Value*>& items) {
    if (items.size() % 2 != 0) fail("sets a key without a value");
    Value& dictionary = top(Kind::dictionary, "a dictionary to set items of");
    dictionary.items.insert(dictionary.items.end(), items.begin(), items.end());
  }
  void append(const std::vector<Value*>& items) {
    Value& list = top(Kind::list, "a list to append to");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  // The fixed list of what may be named and called.
  void push_global(const std::string& module, const std::string& name) {
    const std::string full = module + "." + name;
    if (!is_storage(full) && std::find(kCallable.begin(), kCallable.end(), full) == kCallable.end()) {
      fail("refers to " + in_quotes(full) +
           ", which is not part of a state dict of weights; nothing was executed. Save model.state_dict() or use "
           "model.safetensors");
    }
    push(Kind::global).text = full;
  }
  void call() {
    const Value& arguments = *pop();
    const Value& function = *pop();
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) fail("calls what is not a function");
    const std::vector<Value*>& a = arguments.items;
    if (function.text == kCallable[0]) {
      if (!a.empty()) fail("makes an OrderedDict from arguments, expected none");
      push(Kind::dictionary);
    } else if (function.text == kCallable[1]) {
      rebuild_tensor(a);
    } else if (function.text == kCallable[2] || function.text == kCallable[3]) {
      // Parameter(tensor, requires_grad, hooks); a type's name beside a value.
      if (a.empty()) fail("calls " + function.text + " without arguments");
      stack_.push_back(a[0]);
    } else {
      fail("calls " + function.text);
    }
  }
  // ("storage", type, key, location, number of values)
  void persistent_id() {
    const Value& id = *pop();
    const std::vector<Value*>& a = id.items;
    if (id.kind != Kind::tuple || a.size() != 5 || a[0]->kind != Kind::text || a[0]->text != "storage" ||
        a[1]->kind != Kind::global || !is_storage(a[1]->text) || a[2]->kind != Kind::text ||
        a[2]->text.size() > kMaxKeyBytes || a[4]->kind != Kind::integer || a[4]->integer < 0) {
      fail("has a persistent id that does not describe a storage");
    }
    Value& value = push(Kind::storage);
    value.tensor = std::make_unique<PickledTensor>();
    PickledTensor& storage = *value.tensor;
    storage.storage_type = a[1]->text.substr(6);
    storage.storage_key = a[2]->text;
    storage.storage_size = static_cast<std::uint64_t>(a[4]->integer);
  }
  std::vector<std::int64_t> dimensions(const Value& value, const char* what) const {
    if (value.kind != Kind::tuple || value.items.size() > kMaxRank) {
      fail(std::string("a tensor's ") + what + " is not a tuple of at most " + std::to_string(kMaxRank) + " integers");
    }
    std::vector<std::int64_t> result;
    for (const Value* item : value.items) {
      if (item->kind != Kind::integer || item->integer < 0)
        fail(std::string("a tensor's ") + what + " has a value that is not a non-negative integer");
      result.push_back(item->integer);
    }
    return result;
  }
  // (storage, offset, shape, stride, ..)
  void rebuild_tensor(const std::vector<Value*>& a) {
    if (a.size() < 4 || a[0]->kind != Kind::storage || a[1]->kind != Kind::integer || a[1]->integer < 0)
      fail("rebuilds a tensor from something else than storage, offset, shape and stride");
    PickledTensor tensor = *a[0]->tensor;
    tensor.offset = static_cast<std::uint64_t>(a[1]->integer);
    tensor.shape = dimensions(*a[2], "shape");
    tensor.stride = dimensions(*a[3], "stride");
    if (tensor.shape.size() != tensor.stride.size()) fail("a tensor has unequal numbers of dimensions and strides");
    std::uint64_t count = 1, last = tensor.offset, step = 0;
    bool overflow = false;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      const auto d = static_cast<std::uint64_t>(tensor.shape[i]);
      if (d <= 1) tensor.stride[i] = 0;  // never stepped along
      overflow |= __builtin_mul_overflow(count, d, &count);
      overflow |= __builtin_mul_overflow(d > 0 ? d - 1 : 0, static_cast<std::uint64_t>(tensor.stride[i]), &step);
      overflow |= __builtin_add_overflow(last, step, &last);
    }
    if (overflow || count > tensor.storage_size || (count > 0 && last >= tensor.storage_size)) {
      fail("a tensor reaches beyond its storage of " + std::to_string(tensor.storage_size) + " values");
    }
    push(Kind::tensor).tensor = std::make_unique<PickledTensor>(std::move(tensor));
  }

  std::int64_t long_integer(std::uint64_t size) {
    if (size > 8) fail("has an integer of " + std::to_string(size) + " bytes, at most 8 are supported");
    const std::string_view bytes = take(size);
    std::uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? ~std::uint64_t{0} : 0;
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return static_cast<std::int64_t>(value);
  }

  // Marks, constants, numbers and strings. False for the code of another instruction.
  bool literal(unsigned char code) {
    switch (code) {
      case '(':  // MARK
        push(Kind::mark);
        break;
      case '0':  // POP
        pop();
        break;
      case 'N':  // NONE
        push(Kind::none);
        break;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push(Kind::boolean).integer = code == 0x88;
        break;
      case 'J':  // BININT
        push_integer(number<std::int32_t>());
        break;
      case 'K':  // BININT1
        push_integer(number<std::uint8_t>());
        break;
      case 'M':  // BININT2
        push_integer(number<std::uint16_t>());
        break;
      case 0x8a:  // LONG1
        push_integer(long_integer(number<std::uint8_t>()));
        break;
      case 'G':  // BINFLOAT
        take(8);
        push(Kind::real);
        break;
      case 'U':   // SHORT_BINSTRING
      case 0x8c:  // SHORT_BINUNICODE
        push_text(take(number<std::uint8_t>()));
        break;
      case 'T':  // BINSTRING
      case 'X':  // BINUNICODE
        push_text(take(number<std::uint32_t>()));
        break;
      default:
        return false;
    }
    return true;
  }

  // Lists, tuples and dictionaries. False for the code of another instruction.
  bool container(unsigned char code) {
    switch (code) {
      case ']':  // EMPTY_LIST
        push(Kind::list);
        break;
      case ')':  // EMPTY_TUPLE
        push(Kind::tuple);
        break;
      case '}':  // EMPTY_DICT
        push(Kind::dictionary);
        break;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push_tuple(code - 0x84u);
        break;
      case 't': {  // TUPLE
        auto items = pop_to_mark();
        push(Kind::tuple).items = std::move(items);
        break;
      }
      case 'a': {  // APPEND
        Value* const item = pop();
        append({item});
        break;
      }
      case 'e': {  // APPENDS
        const auto items = pop_to_mark();
        append(items);
        break;
      }
      case 's': {  // SETITEM
        Value* const value = pop();
        Value* const key = pop();
        set_items({key, value});
        break;
      }
      case 'u': {  // SETITEMS
        const auto items = pop_to_mark();
        set_items(items);
        break;
      }
      default:
        return false;
    }
    return true;
  }

  // The memo, which names values for later use. False for the code of another instruction.
  bool memo(unsigned char code) {
    switch (code) {
      case 'q':  // BINPUT
        memoize(number<std::uint8_t>());
        break;
      case 'r':  // LONG_BINPUT
        memoize(number<std::uint32_t>());
        break;
      case 0x94:  // MEMOIZE
        memoize(memo_.size());
        break;
      case 'h':  // BINGET
        recall(number<std::uint8_t>());
        break;
      case 'j':  // LONG_BINGET
        recall(number<std::uint32_t>());
        break;
      default:
        return false;
    }
    return true;
  }

  // Globals, calls and what they make. False for the code of another instruction.
  bool object(unsigned char code) {
    switch (code) {
      case 'c': {  // GLOBAL
        const std::string module = line();
        push_global(module, line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const Value& name = *pop();
        const Value& module = *pop();
        if (name.kind != Kind::text || module.kind != Kind::text) fail("names a global by what is not a string");
        push_global(module.text, name.text);
        break;
      }
      case 'Q':  // BINPERSID
        persistent_id();
        break;
      case 'R':  // REDUCE
        call();
        break;
      case 'b':  // BUILD: the attributes of a dictionary (its "_metadata"), which hold no weights
        pop();
        top(Kind::dictionary, "a dictionary to set attributes of");
        break;
      default:
        return false;
    }
    return true;
  }

  // One instruction; false at the end.
  bool step() {
    at_ = position_;
    const auto code = static_cast<unsigned char>(take(1)[0]);
    if (code == '.') return false;  // STOP
    if (code == 0x80) {             // PROTO
      const int version = number<std::uint8_t>();
      if (version < 2 || version > 4) fail("has protocol " + std::to_string(version) + ", supported are 2 to 4");
    } else if (code == 0x95) {  // FRAME
      take(8);
    } else if (!literal(code) && !container(code) && !memo(code) && !object(code)) {
      fail("has the instruction " + std::to_string(code) + ", which state dicts do not use");
    }
    return true;
  }

  std::string_view code_;
  std::uint64_t position_ = 0, at_ = 0;
  std::deque<Value> values_;
  std::vector<Value*> stack_;
  std::unordered_map<std::uint64_t, Value*> memo_;
};

}  // namespace

std::vector<PickledTensor> parse_state_dict(std::string_view pickle) {
  if (pickle.size() > kMaxPickle) {
    throw Error(ErrorCode::model, "the pickle has " + std::to_string(pickle.size()) + " bytes, at most " +
                                      std::to_string(kMaxPickle) + " are supported");
  }
  Machine machine(pickle);
  const Value& top = machine.run();
  if (top.kind != Kind::dictionary) {
    throw Error(ErrorCode::model, std::string("the file holds ") + kKindNames[static_cast<std::size_t>(top.kind)] +
                                      ", expected a dictionary of tensors: save model.state_dict()");
  }
  std::vector<PickledTensor> tensors;
  std::set<std::string> names;
  for (std::size_t i = 0; i < top.items.size(); i += 2) {
    const Value &key = *top.items[i], &value = *top.items[i + 1];
    if (key.kind != Kind::text) {
      throw Error(ErrorCode::model, std::string("a key of the state dict is ") +
                                        kKindNames[static_cast<std::size_t>(key.kind)] +
                                        ", expected the name of a tensor");
    }
    if (key.text.size() > kMaxNameBytes) {
      throw Error(ErrorCode::model, "tensor " + in_quotes(key.text) + " has a name of " +
                                        std::to_string(key.text.size()) + " bytes, at most " +
                                        std::to_string(kMaxNameBytes) + " are supported");
    }
    if (value.kind != Kind::tensor) {
      throw Error(ErrorCode::model, "entry " + in_quotes(key.text) + " is " +
                                        kKindNames[static_cast<std::size_t>(value.kind)] +
                                        ", expected a tensor: save model.state_dict() alone");
    }
    if (!names.insert(key.text).second)
      throw Error(ErrorCode::model, "tensor " + in_quotes(key.text) + " is there twice");
    tensors.push_back(*value.tensor);
    tensors.back().name = key.text;
  }
  return tensors;
}

}  // namespace thex::checkpoint
