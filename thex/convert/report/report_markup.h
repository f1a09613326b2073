// Writing HTML and SVG whose tags are balanced and whose texts are escaped by construction. Internal to report_*.cc.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thex::convert {

// Text for an element or an attribute in quotes: & < > " ' as references, control characters and bytes that are not
// UTF-8 as U+FFFD.
std::string escaped(std::string_view text);

class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  // <tag ..>, closed by close(), which checks nothing but the order of calls.
  Markup& open(std::string_view tag, Attributes attributes = {});
  Markup& close();
  Markup& text(std::string_view text);
  // An element with text alone.
  Markup& leaf(std::string_view tag, std::string_view content, Attributes attributes = {});
  // An SVG element without contents: <tag ../>.
  Markup& shape(std::string_view tag, Attributes attributes);
  // Text of our own that must not be escaped: the style sheet.
  Markup& verbatim(std::string_view content);

  // Everything so far; call when all is closed.
  const std::string& str() const { return out_; }
  std::size_t depth() const { return open_.size(); }

 private:
  void tag(std::string_view name, Attributes attributes, std::string_view end);

  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace thex::convert
