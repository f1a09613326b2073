// What the planner decides: parameters, keys, levels and scales of a set of programs, as data that every interpreter,
// the key generator and both sides of the protocol read.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "thex/circuit/program.h"
#include "thex/ckks/answer_hiding.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::circuit {

struct OperationCounts {
  std::size_t rotations = 0, ciphertext_products = 0, plain_products = 0, rescales = 0, relinearizations = 0;
};

// One program (one length bucket) under the chosen parameters.
struct ProgramPlan {
  std::vector<ckks::Level> level;  // per node: the level at which it is produced
  // Per node: the level whose canonical scale it has. Its own, but before and after some refreshes (RefreshRule).
  std::vector<ckks::Level> scale_level;
  std::vector<int> urgency;  // per node: the earliest client step (or, last, the result) that waits for it
  ckks::Level depth;         // highest level of any fresh encryption
  OperationCounts counts;
  double estimated_seconds = 0;     // server, one thread
  std::size_t bytes_to_server = 0;  // ciphertexts sent by the client, all steps
  std::size_t bytes_to_client = 0;
  // Upper estimates of the ciphertext memory of one run (working_memory.h): on one thread, and what every further
  // thread adds.
  std::size_t working_bytes = 0, thread_bytes = 0;
  // Predicted -log2 of the standard deviation of the error of the worst result slot; when the planner was asked to
  // predict (PlannerOptions).
  std::optional<double> result_bits;
  // -log2 of the statistical distance between what the client sees of refreshed values and what does not depend on them
  // (mask_distance.h); where the program refreshes any.
  std::optional<double> statistical_bits;
  // How the server hides the results before it sends them (answers.h); none: only re-randomised.
  std::optional<ckks::AnswerHiding> hiding;
};

struct Plan {
  ckks::ContextSpec spec;
  ckks::ContextPtr context;
  ckks::KeyRequirements keys;     // over all programs
  std::vector<Program> programs;  // rebuilt for the chosen slot count
  std::vector<ProgramPlan> program_plans;
  std::size_t key_bytes_wire = 0, key_bytes_memory = 0;
};

// The ciphertexts of one turn, in the order in which they travel.
struct Travelling {
  NodeId node;
  ckks::Level level;
  ckks::Level scale_level;  // its scale is that level's canonical one
  bool masked;              // a refresh: the client re-encrypts it unread
};
// Server to client before step >= 1; for step = steps.size(), the results.
std::vector<Travelling> to_client(const Program& program, const ProgramPlan& plan, std::size_t step);
// Client to server after a step; always seeded.
std::vector<Travelling> to_server(const Program& program, const ProgramPlan& plan, std::size_t step);
// Bytes on the wire: masked values come to the client in short form (ckks/rounded_ciphertext.h), others in full.
std::size_t bytes_to_client(const ckks::Context& context, const Travelling& ciphertext);
std::size_t bytes_to_server(const ckks::Context& context, const Travelling& ciphertext);

}  // namespace thex::circuit
