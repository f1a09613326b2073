// Tables with a row for each value of an enumeration.
#pragma once

#include <cstddef>

namespace thex {

// Whether row i is that of the enumeration's value i, for tables that are read by index.
template <typename Row, typename Enum, std::size_t kRows>
consteval bool in_order(const Row (&rows)[kRows], Enum Row::*key) {
  for (std::size_t i = 0; i < kRows; ++i)
    if (static_cast<std::size_t>(rows[i].*key) != i) return false;
  return true;
}

}  // namespace thex
