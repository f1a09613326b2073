#include "thex/ckks/context.h"

#include <sodium.h>

#include <cmath>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/detail/prime_chain.h"

namespace thex::ckks {
namespace {

std::string decimal(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

double log2_of(std::span<const std::uint64_t> primes) {
  double sum = 0;
  for (const std::uint64_t q : primes) sum += std::log2(static_cast<double>(q));
  return sum;
}

// Refuses what the 128-bit table does not cover and digits that P does not dominate.
void check_security_and_digits(const ContextSpec& spec, const PrimeChain& chain, double log_qp) {
  const int limit = max_log_qp_128(spec.log_n);
  if (log_qp > limit) {
    throw Error(ErrorCode::crypto, "CKKS parameters: log2(QP) = " + decimal(log_qp) + " exceeds " +
                                       std::to_string(limit) + ", the 128-bit limit for N = 2^" +
                                       std::to_string(spec.log_n) + "; use fewer or smaller primes, or a larger ring");
  }
  const double log_p = log2_of(chain.p);
  const std::size_t alpha = spec.digit_limbs;
  for (std::size_t begin = 0; begin < chain.q.size(); begin += alpha) {
    const std::size_t count = std::min(alpha, chain.q.size() - begin);
    const double log_digit = log2_of(std::span(chain.q).subspan(begin, count));
    if (log_digit > log_p) {
      throw Error(ErrorCode::crypto, "CKKS parameters: the primes of digit " + std::to_string(begin / alpha) +
                                         " have " + decimal(log_digit) + " bits together, the special primes only " +
                                         decimal(log_p) + "; use larger p_bits or a smaller digit_limbs");
    }
  }
}

void hash_number(crypto_generichash_state& state, std::uint64_t value) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  crypto_generichash_update(&state, bytes, sizeof bytes);
}

// BLAKE2b-128 of the specification and the primes, every number as 8 little-endian bytes, lists preceded by their
// length.
std::array<std::uint8_t, 16> fingerprint_of(const ContextSpec& spec, const PrimeChain& chain) {
  static constexpr char kDomain[] = "THEX-CKKS-1";
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, 16);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(kDomain), sizeof kDomain - 1);
  hash_number(state, static_cast<std::uint64_t>(spec.log_n));
  hash_number(state, spec.digit_limbs);
  hash_number(state, static_cast<std::uint64_t>(spec.log_scale));
  hash_number(state, spec.wide_q1 ? 1 : 0);
  for (const std::vector<std::uint64_t>* list : {&chain.q, &chain.p}) {
    hash_number(state, list->size());
    for (const std::uint64_t q : *list) hash_number(state, q);
  }
  for (const std::vector<int>* list : {&spec.q_bits, &spec.p_bits}) {
    for (const int bits : *list) hash_number(state, static_cast<std::uint64_t>(bits));
  }
  std::array<std::uint8_t, 16> result;
  crypto_generichash_final(&state, result.data(), result.size());
  return result;
}

}  // namespace

int max_log_qp_128(int log_n) {
  switch (log_n) {
    case 12:
      return 106;
    case 13:
      return 214;
    case 14:
      return 430;
    case 15:
      return 868;
    case 16:
      return 1747;
    case 17:
      return 3523;
    default:
      return 0;
  }
}

std::shared_ptr<const Context> Context::create(const ContextSpec& spec) {
  const PrimeChain chain = choose_primes(spec);
  std::shared_ptr<Context> context(new Context());
  context->log_qp_ = log2_of(chain.q) + log2_of(chain.p);
  check_security_and_digits(spec, chain, context->log_qp_);
  context->spec_ = spec;
  context->scales_ = chain.scales;
  context->fingerprint_ = fingerprint_of(spec, chain);
  for (const std::vector<std::uint64_t>* list : {&chain.q, &chain.p})
    for (const std::uint64_t q : *list) context->primes_.emplace_back(q);
  context->tables_ = std::vector<std::atomic<const ring::NttTable*>>(context->primes_.size());
  context->constants_ = std::make_unique<Constants>();
  fill_constants(*context, *context->constants_);
  return context;
}

Context::~Context() = default;

void Context::check_level(const char* operation, Level level) const {
  if (level >= 0 && level <= max_level()) return;
  throw Error(ErrorCode::crypto,
              std::string(operation) + ": level " + to_string(level) + " is outside 0.." + to_string(max_level()));
}

const ring::NttTable& Context::make_ntt(LimbIndex index) const {
  auto table = std::make_unique<const ring::NttTable>(primes_[index], spec_.log_n);
  const std::lock_guard lock(constants_->tables_mutex);
  if (const ring::NttTable* const other = tables_[index].load(std::memory_order_acquire)) return *other;
  constants_->tables.push_back(std::move(table));
  tables_[index].store(constants_->tables.back().get(), std::memory_order_release);
  return *constants_->tables.back();
}

const ring::NttTable& Context::small_ntt(LimbIndex index, int log_n) const {
  if (log_n == spec_.log_n) return ntt(index);
  const std::pair<LimbIndex, int> key{index, log_n};
  {
    const std::shared_lock lock(constants_->small_tables_mutex);
    const auto found = constants_->small_tables.find(key);
    if (found != constants_->small_tables.end()) return *found->second;
  }
  auto table = std::make_unique<const ring::NttTable>(primes_[index], log_n, spec_.log_n);
  const std::unique_lock lock(constants_->small_tables_mutex);
  return *constants_->small_tables.try_emplace(key, std::move(table)).first->second;
}

std::uint64_t Context::galois_element(int steps) const {
  const auto half = static_cast<std::int64_t>(slots());
  const std::int64_t exponent = ((steps % half) + half) % half;
  const std::uint64_t mask = 2 * n() - 1;
  std::uint64_t result = 1, base = 5;
  for (std::int64_t e = exponent; e != 0; e >>= 1) {
    if (e & 1) result = (result * base) & mask;
    base = (base * base) & mask;
  }
  return result;
}

const std::vector<std::uint32_t>& Context::permutation(std::uint64_t galois_element) const {
  if (galois_element % 2 == 0 || galois_element >= 2 * n()) {
    throw Error(ErrorCode::crypto, "Galois element " + std::to_string(galois_element) +
                                       " is not an odd number below 2N = " + std::to_string(2 * n()));
  }
  {
    const std::shared_lock lock(constants_->permutations_mutex);
    const auto found = constants_->permutations.find(galois_element);
    if (found != constants_->permutations.end()) return found->second;
  }
  auto permutation = ring::automorphism_permutation(spec_.log_n, galois_element);
  const std::unique_lock lock(constants_->permutations_mutex);
  return constants_->permutations.try_emplace(galois_element, std::move(permutation)).first->second;
}

}  // namespace thex::ckks
