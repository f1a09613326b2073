// The encrypted BERT encoder as circuits, one for each length bucket, and the plan they share.
//
// Packing: one row of 2*H slots per token (H: hidden size, padded to a power of two), features in the first half and
// repeated in the second, tokens one after the other; N/(4H) tokens in a ciphertext. docs/ARCHITECTURE.md explains each
// step.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thex/circuit/planner.h"
#include "thex/encoder/rows/encoder_protocol.h"
#include "thex/model/model.h"

namespace thex::encoder {

inline constexpr int kBuckets[] = {16, 32, 64, 128, 256, 512};

// Parameters are chosen for values so many times as large as the calibrated ones; the lowest prime then has room for
// twice as much, or 1.4 times where answers hold two copies (InferencePlan::largest_value).
inline constexpr double kRangeMargin = 1.5;

// Between client and server, for the choice of a plan.
struct Network {
  double round_trip_seconds = 0.02;
  double bytes_per_second = 12.5e6;  // 100 Mbit/s
};

// What a plan is asked for. Client and server must ask for the same, as the keys depend on it.
struct PlanRequest {
  int max_tokens = 0;  // largest bucket wanted, keys and memory grow with it; 0: what the model was converted for
  std::optional<model::Protocol> protocol;  // none: of those that can evaluate the model the one that takes least
  Network network;

  PlanRequest(int tokens = 0) : max_tokens(tokens) {}  // NOLINT: often all that is asked for
};

// What one way to serve a model takes, or why it cannot.
struct PlanPrice {
  model::Protocol protocol = model::Protocol::the_x;
  Segments segments;
  int log_n = 0, rounds = 0;
  double seconds = 0;         // of a query, mean over the length buckets: server on one thread, and network
  double server_seconds = 0;  // the server alone
  double bytes = 0;           // of a query, both ways
  std::size_t key_bytes = 0;  // sent once
  std::string refusal;        // empty: it can
};

// Round trips of a query by a protocol.
int rounds_of(model::Protocol protocol, const circuit::Program& program);
// "1 round", "8 rounds".
std::string rounds_text(int rounds);

struct LedgerEntry {
  std::string who;   // "server", "client", "cheating client", "network"
  std::string what;  // what it learns
};

// "16 tokens", "8 x 16 tokens".
std::string to_string(const QueryShape& shape);

// Everything that client and server agree on before a query: derived from the configuration alone, so both compute it.
struct InferencePlan {
  model::Protocol protocol = model::Protocol::the_x;
  Segments segments;
  // Of each program of `circuits`: single sentences, the length buckets ascending, then batches, likewise.
  std::vector<QueryShape> shapes;
  circuit::Plan circuits;
  int rounds = 1;                 // rounds_of() the protocol
  std::vector<PlanPrice> prices;  // of all ways that were compared, this one among them
  std::vector<LedgerEntry> ledger;
  std::string fingerprint;  // fingerprint_of() of the plan as it was made: it names keys

  // Decrypted values beyond it, of either sign, come back as others.
  double largest_value() const;
  // Whether the server hides its answers but for the outputs (ckks/answer.h); not where the client sees more anyway.
  bool hides_answers() const;
  // The standard deviation that the server's flood gives an output of a program; 0 without it.
  double flood_deviation(std::size_t program) const;
  // The most that one answer of a program says about the weights, to whatever client; none where nothing is hidden.
  std::optional<double> exposed_bits(std::size_t program) const;
  // Bits behind the binary point that the logits of a program keep, the flood included; none where they were not
  // predicted.
  std::optional<double> logit_bits(std::size_t program) const;
  // -log2 of the statistical distance between what the client sees of refreshed values and what does not depend on
  // them (circuit/mask_distance.h), in one query of the worst program; none where nothing is refreshed.
  std::optional<double> statistical_bits() const;
  // By how many bits the flood's deviation exceeds that of the computation's noise, in the worst program; none without
  // a flood or a prediction.
  std::optional<double> flood_bits_above_noise() const;
  // The program of the smallest bucket that holds one sentence of `tokens`; throws Error(input) when none does.
  std::size_t program_for(int tokens) const;
  // The program of the smallest batch that holds so many sentences of up to `tokens`; program_for() of one sentence.
  // Throws Error(input) when there is none.
  std::size_t batch_program_for(std::size_t sentences, int tokens) const;
  // Tokens of the largest bucket.
  int max_tokens() const;
  // How many programs are for single sentences; the others are for batches.
  std::size_t bucket_count() const;
};

// 32 hex digits of a hash of everything that decides what client and server do together (circuit/digest.h), the values
// of the weights left out. Hashes some megabytes: of a plan as it was made, InferencePlan::fingerprint has it.
std::string fingerprint_of(const InferencePlan& plan);

// Why a plan is by its protocol, in a line: what a query takes by it and by the best way of every other protocol that
// was compared. Empty where only one was.
std::string reason_of(const InferencePlan& plan);

// Client side: needs config.json only. Throws Error(model) when the model is not HE-friendly or its shape unsupported.
InferencePlan plan_inference(const model::ModelConfig& config, const PlanRequest& request = {});
// Server side: the same plan with the model's weights behind every plain vector. `model` (Part::server) is kept alive
// by the plan.
InferencePlan plan_inference(std::shared_ptr<const model::Model> model, const PlanRequest& request = {});

}  // namespace thex::encoder
