#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden vectors beside it from CANONICAL.md alone, with nothing of weir's own code:
HKDF is written out from RFC 5869, SipHash from the paper of Aumasson and Bernstein.

Vectors are frozen: run it to compare, never to change a line that a release has carried.
"""
import hashlib, hmac, os, struct

HERE = os.path.dirname(os.path.abspath(__file__))
M = (1 << 64) - 1


def hkdf(secret, salt, info, n):
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:n]


def siphash(key, data, wide):
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    if wide:
        v[1] ^= 0xEE

    def rotl(x, b):
        return ((x << b) | (x >> (64 - b))) & M

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & M; v[1] = rotl(v[1], 13) ^ v[0]; v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[3]) & M; v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & M; v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & M; v[1] = rotl(v[1], 17) ^ v[2]; v[2] = rotl(v[2], 32)

    tail = len(data) % 8
    padded = data + bytes(7 - tail) + bytes([len(data) & 0xFF])
    for (m,) in struct.iter_unpack("<Q", padded):
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xEE if wide else 0xFF
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    if not wide:
        return first
    v[1] ^= 0xDD
    rounds(4)
    return struct.pack("<QQ", first, v[0] ^ v[1] ^ v[2] ^ v[3])


assert siphash(bytes(range(16)), bytes(range(15)), False) == 0xA129CA6149BE45E5  # the paper, appendix A
assert siphash(bytes(range(16)), b"", True).hex() == "a3817f04ba25a8e66df67214c7550293"  # reference code

TENANT = bytes(range(32))
SALT = b"weir/v1"
cred = hkdf(TENANT, SALT, b"weir/v1/credentials/1", 32)
objs = hkdf(TENANT, SALT, b"weir/v1/objects/1", 16)
exch = hkdf(TENANT, SALT, b"weir/v1/exchanges/1", 16)


def q(b):
    return '"' + "".join(chr(c) if 0x20 <= c < 0x7F and c not in b'"\\' else "\\x%02x" % c for c in b) + '"'


def write(name, head, rows):
    with open(os.path.join(HERE, name), "w") as f:
        f.write("# " + head + "\n")
        for r in rows:
            f.write(" ".join(r) + "\n")


write("keys.golden", "tenant key 000102..1f: label, derived key, key id", [
    (label, key.hex(), "%08x" % struct.unpack(">I", hkdf(TENANT, SALT, b"weir/v1/%s/id/1" % label.encode(), 4))[0])
    for label, key in (("credentials", cred), ("objects", objs), ("exchanges", exch))])


def token(kind, text):
    return hmac.new(cred, bytes([1, kind]) + text, hashlib.sha256).digest()[:16]


def principal(cls, *fields):
    msg = bytes([2, cls]) + b"".join(struct.pack(">I", len(f)) + f for f in fields)
    return hmac.new(cred, msg, hashlib.sha256).digest()[:16]


write("tokens.golden", "kind, credential, token_id", [
    (str(k), q(t), token(k, t).hex()) for k, t in (
        (1, b"tok_test_alpha"), (1, b""), (1, b"x" * 300), (2, b"alice:tok_test_pass"),
        (3, b"tok_test_alpha"), (4, b"ab" * 32), (5, b"AKIDTESTEXAMPLE"))])

tid = token(1, b"tok_test_alpha")
write("principals.golden", "class, principal_id, fields", [
    (str(c), principal(c, *fs).hex(), *map(q, fs)) for c, fs in (
        (1, (b"https://idp.example/", b"s:user-17")),
        (2, (b"https://idp.example/", b"s:user-17", b"shop.example")),
        (2, (b"https://idp.example/s", b":user-17", b"shop.example")),
        (3, (tid,)), (4, (bytes([192, 0, 2, 7]),)), (4, (bytes.fromhex("20010db8" + "00" * 11 + "07"),)), (5, ()))])


def obj(cls, *ids):
    return "%016x" % siphash(objs, b"\x1f".join((cls,) + ids), False)


UUID = b"0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5"
write("objects.golden", "object hash, class, ids; the ids as shown, before they are made canonical", [
    (obj(b"customers", b"17"), q(b"customers"), q(b"17")),
    (obj(b"customers", b"17"), q(b" Customers"), q(b"\t17 ")),
    (obj(b"orders", b"17"), q(b"orders"), q(b"17")),
    (obj(b"customers", b"017"), q(b"customers"), q(b"017")),
    (obj(b"customers", b"AB17"), q(b"customers"), q(b"AB17")),
    (obj(b"customers", UUID), q(b"customers"), q(UUID.upper())),
    (obj(b"", b"17"), q(b""), q(b"17")),
    (obj(b"lines", b"9", b"2"), q(b"lines"), q(b"9"), q(b" 2")),
    (obj(b"customers", b"x" * 400), q(b"customers"), q(b"x" * 400))])


def xid(seq, stream, head):
    return siphash(exch, struct.pack(">BII", 1, seq, stream) + head, True).hex()


HEAD = b"GET /customers/17 HTTP/1.1\r\nHost: shop.example\r\n\r\n"
write("exchanges.golden", "exchange_id, sequence number, stream, raw header block", [
    (xid(s, t, h), str(s), str(t), q(h)) for s, t, h in (
        (1, 0, HEAD), (0xFFFFFFFF, 0, HEAD), (1, 3, HEAD), (1, 0, b""), (1, 0, b"z" * 1000))])

LINE = b'192.0.2.7 - - [24/Nov/2026:05:59:30 +0000] "GET / HTTP/1.1" 200 12'
write("loglines.golden", "exchange_id, offset in the file, line", [
    (siphash(exch, struct.pack(">BQ", 2, o) + l, True).hex(), str(o), q(l)) for o, l in (
        (0, LINE), (1 << 40, LINE), (0, b""))])
