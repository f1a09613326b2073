#!/usr/bin/env bash
# server_symbols_test.sh BUILD: neither thex-server nor a library that it links holds anything that decrypts or makes keys. The same search
# must find such symbols in thex, the client: else it would prove nothing.
set -euo pipefail
build="$1"
secret='thex::ckks::secret::|thex::circuit::ClientTurn|SecretKey|[Dd]ecrypt'

# HeSection::largest_decrypted is a number from config.json; without inlining it is a symbol.
symbols() { nm -C "$@" 2>/dev/null | grep -vE 'HeSection(::|[0-9]+)largest_decrypted'; }

found="$(symbols "$build/thex" | grep -cE "$secret" || true)"
if [ "$found" -lt 5 ]; then echo "the search finds only $found secret-key symbols in thex: it cannot be trusted" >&2; exit 1; fi
echo "thex: $found secret-key symbols, as it should"

status=0
for file in "$build/thex-server" "$build"/obj/server/libthex_server.a "$build"/obj/transport/libthex_transport.a "$build"/obj/transport/libthex_transport_server.a "$build"/obj/protocol/libthex_protocol.a \
  "$build"/obj/circuit/libthex_circuit.a "$build"/obj/circuit/libthex_circuit_library.a \
  "$build"/obj/circuit/libthex_circuit_run.a "$build"/obj/encoder/libthex_encoder.a "$build"/obj/encoder/rows/libthex_encoder_rows.a \
  "$build"/obj/encoder/polynomial/libthex_encoder_polynomial.a "$build"/obj/encoder/the_x/libthex_encoder_the_x.a "$build"/obj/model/libthex_model.a "$build"/obj/checkpoint/libthex_checkpoint.a \
  "$build"/obj/ckks/libthex_ckks.a "$build"/obj/ring/libthex_ring.a "$build"/obj/base/libthex_base.a; do
  [ -s "$file" ] || { echo "no $file" >&2; exit 1; }
  total="$(symbols "$file" | wc -l)"
  if [ "$total" -lt 5 ]; then echo "$file has only $total symbols: stripped?" >&2; exit 1; fi
  if symbols "$file" | grep -E "$secret" >&2; then
    echo "$file: symbols that a server must not have" >&2
    status=1
  else
    echo "${file#"$build"/}: none among $total symbols"
  fi
done
exit $status
