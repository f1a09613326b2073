// A warmed-up engine works in memory that it has: no operation asks the system for pool memory, and what it takes from
// the heap is a handful of small blocks (lists of pointers), the same for every ring dimension.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>

#include "tests/support/ckks.h"
#include "thex/base/sanitizers.h"
#include "thex/ring/memory_pool.h"

namespace {

std::atomic<std::size_t> heap_allocations{0}, heap_bytes{0};

void* counted(std::size_t bytes, std::size_t alignment = 0) {
  heap_allocations.fetch_add(1, std::memory_order_relaxed);
  heap_bytes.fetch_add(bytes, std::memory_order_relaxed);
  const std::size_t size = bytes == 0 ? 1 : bytes;
  void* const memory = alignment == 0 ? std::malloc(size)
                                      : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace thex::ckks {
namespace {

using support::Party;

struct Cost {
  std::size_t allocations = 0, bytes = 0;         // of the heap
  std::uint64_t pool_blocks = 0, pool_fresh = 0;  // taken from the pool; by the pool from the system
  std::size_t pool_grown = 0;                     // bytes held
};

Cost cost_of(const std::function<void()>& operation) {
  for (int warm = 0; warm < 2; ++warm) operation();
  const ring::PoolStatistics before = ring::pool_statistics();
  const std::size_t allocations = heap_allocations, bytes = heap_bytes;
  operation();
  const Cost cost{heap_allocations - allocations, heap_bytes - bytes};
  const ring::PoolStatistics after = ring::pool_statistics();
  EXPECT_EQ(after.bytes_in_use, before.bytes_in_use) << "an operation's result has gone";
  return {cost.allocations, cost.bytes, after.allocations - before.allocations,
          after.system_requests - before.system_requests, after.bytes_held - before.bytes_held};
}

std::vector<std::pair<const char*, Cost>> costs(const std::string& parameters) {
  Party& p = support::party(parameters);
  const Level top = p.top();
  const Ciphertext x = p.encrypt(support::random_slots(p.context->slots(), 1), top);
  const Ciphertext square = p.evaluator.mul(x, x);
  const Plaintext plain = p.encode(support::random_reals(p.context->slots(), 2), top, p.context->scale(top));
  const Ciphertext* const terms[] = {&x, &x, &x};
  const Plaintext* const weights[] = {&plain, &plain, &plain};
  const Evaluator& evaluator = p.evaluator;
  return {
      {"add", cost_of([&] { evaluator.add(x, x); })},
      {"multiply", cost_of([&] { evaluator.mul(x, x); })},
      {"multiply by a plaintext", cost_of([&] { evaluator.mul_plain(x, plain); })},
      {"inner product", cost_of([&] { evaluator.inner_product_plain(terms, weights); })},
      {"relinearise", cost_of([&] { evaluator.relinearize(square, p.keys); })},
      {"relinearise and rescale", cost_of([&] { evaluator.relinearize_rescale(square, p.keys); })},
      {"rescale", cost_of([&] { evaluator.rescale(x); })},
      {"rotate", cost_of([&] { evaluator.rotate(x, 1, p.keys); })},
      {"hoisted rotations", cost_of([&] {
         const Decomposition digits = evaluator.decompose(x);
         for (const int steps : {1, 3, 4, 8}) evaluator.rotate_hoisted(x, digits, steps, p.keys);
       })},
  };
}

TEST(Allocation, AWarmEngineTakesNoFreshMemory) {
  for (const char* parameters : {"n12_alpha1", "n13_alpha2", "n14_alpha3"}) {
    const std::size_t polynomial = support::party(parameters).context->n() * sizeof(std::uint64_t);
    for (const auto& [name, cost] : costs(parameters)) {
      std::printf("%s, %s: %zu heap blocks of %zu bytes together, %llu blocks of the pool\n", parameters, name,
                  cost.allocations, cost.bytes, static_cast<unsigned long long>(cost.pool_blocks));
#if !THEX_ADDRESS_SANITIZER  // the pool keeps no memory then
      EXPECT_EQ(cost.pool_fresh, 0u) << parameters << ", " << name;
#endif
      EXPECT_EQ(cost.pool_grown, 0u) << parameters << ", " << name;
      EXPECT_GT(cost.pool_blocks, 0u) << "the results come from the pool";
      const std::size_t operations = std::string(name) == "hoisted rotations" ? 5 : 1;
      EXPECT_LE(cost.allocations, 50 * operations) << parameters << ", " << name;
      EXPECT_LT(cost.bytes, polynomial) << "a row of residues came from the heap: " << parameters << ", " << name;
    }
  }
}

// The same chain and digits in rings of 2^12 and 2^13.
TEST(Allocation, DoesNotDependOnTheRing) {
  const ContextSpec small{12, {38, 28}, {38}, 1, 28}, large{13, {38, 28}, {38}, 1, 28};
  std::vector<Cost> rotations;
  for (const ContextSpec& spec : {small, large}) {
    Party p(spec);
    p.make_keys({{{1, 1}}, 1, -1});
    const Ciphertext x = p.encrypt(support::random_slots(p.context->slots(), 1), 1);
    rotations.push_back(cost_of([&] { p.evaluator.rotate(x, 1, p.keys); }));
  }
  EXPECT_EQ(rotations[0].allocations, rotations[1].allocations);
}

// The counters do count.
TEST(Allocation, IsSeen) {
  std::vector<std::vector<int>> kept;
  const Cost cost = cost_of([&] { kept.emplace_back(1000); });
  EXPECT_GE(cost.allocations, 1u);
  EXPECT_GE(cost.bytes, 4000u);
  std::vector<ring::Buffer> buffers;
  const ring::PoolStatistics before = ring::pool_statistics();
  for (int i = 0; i < 40; ++i) buffers.emplace_back(std::size_t{1} << 18);
  EXPECT_GT(ring::pool_statistics().system_requests, before.system_requests);
  EXPECT_GT(ring::pool_statistics().peak_in_use, before.bytes_in_use);
}

}  // namespace
}  // namespace thex::ckks
