// What client and server compare of their models before a query.
//
// Client and server of one shape but of other weights or another vocabulary would compute nonsense without an error;
// the plan's fingerprint cannot see it, for it covers the circuit alone. Each side has digests of the parts that it
// holds (model/digest.h); a part that a side lacks is unknown and not compared.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "thex/model/digest.h"

namespace thex::protocol {

// On the wire: which parts are known, then all digests.
inline constexpr std::size_t kModelPartsBytes = 1 + model::kModelPartCount * sizeof(model::Digest);

// What a person is told when parts that both sides know differ: which, and what to do. Nothing when all agree.
std::optional<std::string> mismatch(const model::ModelDigests& client, const model::ModelDigests& server);

}  // namespace thex::protocol
