#include "thex/encoder/protocol_table.h"

#include <string>

#include "thex/base/error.h"
#include "thex/encoder/polynomial/protocol.h"
#include "thex/encoder/the_x/protocol.h"

namespace thex::encoder {

const EncoderProtocol& encoder_row(model::Protocol protocol) {
  for (const EncoderProtocol* row : {&kTheX, &kOneRound, &kMaskedRounds})
    if (row->protocol == protocol) return *row;
  throw Error(ErrorCode::internal, std::string("no circuits for the protocol ") + model::name_of(protocol));
}

}  // namespace thex::encoder
