#include "thex/data/csv.h"

namespace thex::data {
namespace {

enum class State { start, plain, quoted, closed };  // closed: after the quote that ends a field

std::string field_number(const std::vector<std::string>& fields) {
  return "field " + std::to_string(fields.size() + 1);
}

}  // namespace

bool next_csv_record(LineReader& lines, std::vector<std::string>& fields, std::size_t& line) {
  std::string text;
  if (!lines.next(text)) return false;
  line = lines.number();
  std::size_t opened = line, bytes = text.size();
  fields.clear();
  std::string field;
  State state = State::start;
  const auto end_field = [&] {
    fields.push_back(std::move(field));
    field.clear();
    state = State::start;
  };
  for (;;) {
    for (const char c : text) {
      if (state == State::quoted) {
        if (c == '"') {
          state = State::closed;
        } else {
          field.push_back(c);
        }
      } else if (c == ',') {
        end_field();
      } else if (c == '"') {
        if (state == State::plain) {
          lines.fail(field_number(fields) + " has a quote but does not start with one; put the field into quotes and " +
                     "double the quotes within, or name another format");
        }
        if (state == State::closed) {
          field.push_back('"');
        } else {
          opened = lines.number();
        }
        state = State::quoted;
      } else {
        if (state == State::closed) {
          lines.fail(field_number(fields) + " goes on after its closing quote; double the quotes within a field");
        }
        field.push_back(c);
        state = State::plain;
      }
    }
    if (state != State::quoted) break;
    field += lines.carriage_return() ? "\r\n" : "\n";
    if (!lines.next(text)) {
      lines.fail_at(opened, "the quoted " + field_number(fields) +
                                " that starts here is not closed before the end of " + lines.name() +
                                "; is the file complete?");
    }
    bytes += text.size() + 1;
    if (bytes > kMaxLineBytes) {
      lines.fail_at(line, "the record that starts here has more than " + std::to_string(kMaxLineBytes) +
                              " bytes; is a quote not closed?");
    }
  }
  end_field();
  return true;
}

}  // namespace thex::data
