// Vectors of decrypted or unencrypted values: overwritten with zeros at the end of the scope that they live in.
#pragma once

#include <sodium.h>

#include <type_traits>
#include <vector>

namespace thex::ckks::secret {

template <typename T>
void wipe(std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (!values.empty()) sodium_memzero(values.data(), values.size() * sizeof(T));
}
template <typename T>
void wipe(std::vector<std::vector<T>>& vectors) {
  for (auto& values : vectors) wipe(values);
}

// `values` must outlive this object; what it holds then is wiped, so it must not have been reallocated in between.
template <typename Vector>
class WipeLater {
 public:
  explicit WipeLater(Vector& values) : values_(values) {}
  WipeLater(const WipeLater&) = delete;
  WipeLater& operator=(const WipeLater&) = delete;
  ~WipeLater() { wipe(values_); }

 private:
  Vector& values_;
};

}  // namespace thex::ckks::secret
