// Dense linear algebra of some dozen rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "thex/base/error.h"

namespace thex::support {

struct SmallMatrix {
  std::size_t n = 0;
  std::vector<double> values;  // row-major

  explicit SmallMatrix(std::size_t size) : n(size), values(size * size, 0.0) {}
  double& operator()(std::size_t row, std::size_t column) { return values[row * n + column]; }
  double operator()(std::size_t row, std::size_t column) const { return values[row * n + column]; }
};

// x with a x = b, by elimination with row pivots. A pivot of zero counts as a very small one, as inverse iteration
// wants it.
inline std::vector<double> solve(SmallMatrix a, std::vector<double> b) {
  const std::size_t n = a.n;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
    for (std::size_t j = 0; j < n; ++j) std::swap(a(k, j), a(pivot, j));
    std::swap(b[k], b[pivot]);
    if (a(k, k) == 0) a(k, k) = 1e-300;
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = a(i, k) / a(k, k);
      for (std::size_t j = k; j < n; ++j) a(i, j) -= factor * a(k, j);
      b[i] -= factor * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a(k, j) * b[j];
    b[k] /= a(k, k);
  }
  return b;
}

// One step of the QR algorithm on the first `size` rows and columns: a becomes R Q + shift, where Q R = a - shift, by
// Householder's reflections.
inline void qr_step(SmallMatrix& a, std::size_t size, double shift) {
  for (std::size_t i = 0; i < size; ++i) a(i, i) -= shift;
  std::vector<std::vector<double>> reflections;
  for (std::size_t k = 0; k < size; ++k) {
    std::vector<double> v(size, 0.0);
    double norm = 0, square = 0;
    for (std::size_t i = k; i < size; ++i) norm = std::hypot(norm, v[i] = a(i, k));
    v[k] += v[k] < 0 ? -norm : norm;
    for (const double x : v) square += x * x;
    if (square == 0) square = 1;
    for (double& x : v) x /= std::sqrt(square);
    for (std::size_t j = 0; j < size; ++j) {
      double dot = 0;
      for (std::size_t i = k; i < size; ++i) dot += v[i] * a(i, j);
      for (std::size_t i = k; i < size; ++i) a(i, j) -= 2 * dot * v[i];
    }
    reflections.push_back(std::move(v));
  }
  for (const std::vector<double>& v : reflections)
    for (std::size_t i = 0; i < size; ++i) {
      double dot = 0;
      for (std::size_t j = 0; j < size; ++j) dot += a(i, j) * v[j];
      for (std::size_t j = 0; j < size; ++j) a(i, j) -= 2 * dot * v[j];
    }
  for (std::size_t i = 0; i < size; ++i) a(i, i) += shift;
}

// The eigenvalues of a matrix that has real ones only. Throws Error(internal) when they are not found.
inline std::vector<double> real_eigenvalues(SmallMatrix a) {
  std::vector<double> found;
  const std::size_t most_steps = 100 * a.n;
  std::size_t steps = 0;
  for (std::size_t size = a.n; size > 0;) {
    double below = 0;
    for (std::size_t j = 0; j + 1 < size; ++j) below = std::max(below, std::abs(a(size - 1, j)));
    const double last = a(size - 1, size - 1);
    if (below <= 1e-13 * (std::abs(last) + std::abs(a(0, 0)))) {
      found.push_back(last);
      --size;
      continue;
    }
    if (++steps > most_steps) throw Error(ErrorCode::internal, "no real eigenvalues were found");
    // Of the last two rows and columns the eigenvalue nearer to the last entry.
    const double half = (a(size - 2, size - 2) - last) / 2, product = a(size - 2, size - 1) * a(size - 1, size - 2);
    const double root = half * half + product;
    const double divisor = half + std::copysign(std::sqrt(std::max(root, 0.0)), half);
    qr_step(a, size, root < 0 || divisor == 0 ? last : last - product / divisor);
  }
  return found;
}

// Vectors w with w a = lambda w, of length one, for a matrix with real eigenvalues that differ: inverse iteration.
inline std::vector<std::vector<double>> left_eigenvectors(const SmallMatrix& a) {
  std::vector<std::vector<double>> all;
  for (const double value : real_eigenvalues(a)) {
    SmallMatrix shifted(a.n);
    for (std::size_t i = 0; i < a.n; ++i)
      for (std::size_t j = 0; j < a.n; ++j) shifted(i, j) = a(j, i) - (i == j ? value : 0.0);
    std::vector<double> vector(a.n);
    for (std::size_t i = 0; i < a.n; ++i) vector[i] = 1 + 0.1 * static_cast<double>(i % 3);
    for (int round = 0; round < 3; ++round) {
      vector = solve(shifted, vector);
      double norm = 0;
      for (const double x : vector) norm = std::hypot(norm, x);
      for (double& x : vector) x /= norm;
    }
    all.push_back(std::move(vector));
  }
  return all;
}

}  // namespace thex::support
