/* The frozen bytes in tests/vectors: what each file holds, made once from the fixture by
 * make_vectors. */
#ifndef REFLOOP_TESTS_UNIT_WIRE_VECTORS_H
#define REFLOOP_TESTS_UNIT_WIRE_VECTORS_H

#define VECTOR_GENESIS "genesis_v1.hex"     /* envelope, signed by the root */
#define VECTOR_ENVELOPE "envelope_v1.hex"   /* envelope: the clinic's sealed request, alone */
#define VECTOR_TURN "turn_v1.hex"           /* envelope: a receipt of the pantry, third of three */
#define VECTOR_LEAF "leaf_v1.hex"           /* the log's leaf of VECTOR_TURN */
#define VECTOR_RECEIPTS "receipts_v2.hex"   /* session message, protocol 2 */
#define VECTOR_ENTRIES "entries_v2.hex"     /* session message, protocol 2 */
#define VECTOR_WELCOME "welcome_v2.hex"     /* session message, protocol 2 */
#define VECTOR_RECEIPTS_1 "receipts_v1.hex" /* protocol 1: not spoken any more */
#define VECTOR_ENTRIES_1 "entries_v1.hex"
#define VECTOR_TOKEN "token_v1.txt" /* invite line for elm-pantry */

/* What was frozen with them. */
#define VECTOR_ENVELOPE_ID "bbcaf437231faf902a730e726e8e496adffc23d0a53f68d8d20a9f9f3eb4cbbb"
#define VECTOR_TURN_ID "e0df7944b3a9ffc0484b320b726c47d9bad987b8010cdca111b613179c6b07ef"
/* SHA-256(0x00, log time 1700000000123 as i64, VECTOR_LEAF): worked out apart from this code. */
#define VECTOR_LOG_TIME_MS 1700000000123
#define VECTOR_LOG_LEAF "3615049e99cb7cd04837c918a33faf01e07a7a5acc0a243035f29125b99cf35d"
#define VECTOR_FINGERPRINT "ce98 5b7e 8f36 1d57 28f4 d0ef"

#define VECTOR_BODY "{\"person\":\"Fictional Person\",\"phone\":\"555-0142\"}"
#define VECTOR_FACTS "{\"category\":\"food-insecurity\"}"

#endif
