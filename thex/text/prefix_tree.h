// A set of strings that finds the longest of them that a text begins with, in time proportional to that length, however
// many there are (a trie; Fredkin, "Trie memory", Communications of the ACM 3, 1960).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace thex::text {

class PrefixTree {
 public:
  // The empty string has no effect.
  void add(std::string_view text) {
    std::uint32_t node = 0;
    for (const char c : text) {
      const std::uint32_t next = child(node, c);
      if (next == 0) {
        nodes_[node].children.emplace_back(c, static_cast<std::uint32_t>(nodes_.size()));
        nodes_.emplace_back();
      }
      node = child(node, c);
    }
    nodes_[node].ends = node != 0;
  }

  // Bytes of the longest string of the set that `text` begins with; 0 when there is none.
  std::size_t longest_at(std::string_view text) const {
    std::size_t longest = 0, length = 0;
    std::uint32_t node = 0;
    for (const char c : text) {
      node = child(node, c);
      if (node == 0) break;
      ++length;
      if (nodes_[node].ends) longest = length;
    }
    return longest;
  }

 private:
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> children;  // a byte, and the node that it leads to
    bool ends = false;                                     // a string of the set ends here
  };
  // 0, the root, stands for no child.
  std::uint32_t child(std::uint32_t node, char c) const {
    const auto& children = nodes_[node].children;
    const auto found =
        std::find_if(children.begin(), children.end(), [&](const auto& next) { return next.first == c; });
    return found == children.end() ? 0 : found->second;
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
};

}  // namespace thex::text
