"""The order of a shuffled epoch, computed from its definition: Philox 4x32-10 (Salmon et al., SC 2011), unbiased bounded numbers
(Lemire 2019, arXiv:1805.10941), and the shuffle of Fisher and Yates. See docs/numerics.md."""

MASK32, MASK64 = 2**32 - 1, 2**64 - 1


def philox4x32(counter, key):
    counter, key = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(second >> 32) ^ counter[1] ^ key[0], second & MASK32, (first >> 32) ^ counter[3] ^ key[1], first & MASK32]
        key = [(key[0] + 0x9E3779B9) & MASK32, (key[1] + 0xBB67AE85) & MASK32]
    return counter


# Known answers of the Random123 distribution (kat_vectors).
assert philox4x32([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def mix(x):
    """The finaliser of SplitMix64."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK64
    return x ^ (x >> 31)


def stream_of(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK64
    return value


def words(seed, stream, step):
    """The 32-bit words of one stream, in order."""
    lane = mix(stream ^ mix((step + 0x9E3779B97F4A7C15) & MASK64))
    index = 0
    while True:
        counter = [index & MASK32, index >> 32, lane & MASK32, lane >> 32]
        yield from philox4x32(counter, [seed & MASK32, seed >> 32])
        index += 1


def permutation(seed, stream, step, n):
    """A uniformly random order of 0..n."""
    source = words(seed, stream, step)

    def below(bound):
        while True:
            low = next(source)
            product = (low | next(source) << 32) * bound
            if product & MASK64 >= bound or product & MASK64 >= 2**64 % bound:
                return product >> 64

    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order
