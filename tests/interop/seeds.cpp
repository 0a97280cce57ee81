// weft-interop-seeds CAPTURES OUT: takes what went over the wires of an interop run (WEFT_INTEROP_CAPTURE) apart into
// seeds of the fuzz targets: OUT/bgp_message, bgp_attributes, bgp_open, bgp_ndp and bfd_packet, one file for each input
// that occurs. How to keep only those that teach a target something: fuzz/README.md.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace fs = std::filesystem;

std::size_t number(std::string_view bytes, std::size_t at, std::size_t width) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < width; ++i) n = n << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return n;
}

std::size_t little(std::string_view bytes, std::size_t at) {
  std::size_t n = 0;
  for (std::size_t i = 4; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return n;
}

// One direction of a TCP connection: segments by their distance from the SYN.
struct Stream {
  std::optional<std::uint32_t> start;
  std::map<std::uint32_t, std::string> segments;

  std::string bytes() const {
    std::string out;
    for (const auto& [at, segment] : segments) {
      if (at > out.size()) break;  // something was not captured
      if (at + segment.size() > out.size()) out += segment.substr(out.size() - at);
    }
    return out;
  }
};

struct End {
  std::string address;
  std::size_t port = 0;
  auto operator<=>(const End&) const = default;
};

/// What an OPEN says about how the rest is read.
struct Opened {
  std::size_t asn = 0;
  bool four_octets = false, extended = false, next_hop = false, v4 = false, v6 = false;
};

Opened opened(std::string_view body) {
  Opened o;
  o.asn = number(body, 1, 2);
  for (std::size_t at = 10; at + 2 <= body.size();) {
    const std::size_t type = number(body, at, 1), end = at + 2 + number(body, at + 1, 1);
    for (at += 2; type == 2 && at + 2 <= std::min(end, body.size());) {
      const std::size_t code = number(body, at, 1), length = number(body, at + 1, 1);
      if (at + 2 + length > body.size()) break;
      if (code == 65 && length == 4) o.four_octets = true, o.asn = number(body, at + 2, 4);
      if (code == 1 && length == 4) (number(body, at + 2, 2) == 1 ? o.v4 : o.v6) = true;
      o.extended |= code == 6;
      o.next_hop |= code == 5;
      at += 2 + length;
    }
    at = end;
  }
  return o;
}

/// The byte that tells a target which session it is in (fuzz/bgp/check.h).
char session_byte(const Opened& a, const Opened& b) {
  return static_cast<char>((a.four_octets && b.four_octets ? 0 : 1) | (a.extended && b.extended ? 2 : 0) |
                           (a.asn == b.asn ? 4 : 0) | (a.v4 && b.v4 ? 0 : 8) | (a.v6 && b.v6 ? 0 : 16) |
                           (a.next_hop && b.next_hop ? 32 : 0));
}

class Seeds {
 public:
  explicit Seeds(fs::path out) : out_(std::move(out)) {}

  void capture(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    // tcpdump's own format, of a machine with our byte order, times in microseconds, Ethernet.
    if (all.size() < 24 || little(all, 0) != 0xa1b2c3d4 || little(all, 20) != 1)
      throw std::runtime_error(file + ": no capture of an Ethernet wire by tcpdump");
    streams_.clear();
    for (std::size_t at = 24; at + 16 <= all.size();) {
      const std::size_t length = little(all, at + 8);
      if (at + 16 + length > all.size()) break;  // tcpdump was killed while it wrote
      frame(std::string_view(all).substr(at + 16, length));
      at += 16 + length;
    }
    for (const auto& [ends, stream] : streams_) {
      const auto back = streams_.find({ends.second, ends.first});
      messages(stream.bytes(), back == streams_.end() ? std::string() : back->second.bytes());
    }
  }
  std::size_t count() const { return count_; }

 private:
  void frame(std::string_view f) {
    if (f.size() < 54) return;
    const std::size_t type = number(f, 12, 2);
    f.remove_prefix(14);
    End from, to;
    std::size_t protocol = 0;
    char hop_limit = 0;
    if (type == 0x0800) {
      protocol = number(f, 9, 1);
      from.address = f.substr(12, 4), to.address = f.substr(16, 4);
      const std::size_t header = (number(f, 0, 1) & 15) * 4, total = number(f, 2, 2);
      if (total < header) return;
      f = f.substr(0, total).substr(header);  // short frames are padded
    } else if (type == 0x86dd) {
      protocol = number(f, 6, 1);
      hop_limit = f[7];
      from.address = f.substr(8, 16), to.address = f.substr(24, 16);
      f = f.substr(40, number(f, 4, 2));
    }
    // Router discovery of unnumbered peers: hop limit, whether the source is link-local, the message.
    if (protocol == 58 && type == 0x86dd) {
      const bool link_local = from.address.starts_with("\xfe\x80");
      seed("bgp_ndp", std::string{hop_limit, static_cast<char>(link_local)} + std::string(f));
    }
    if (protocol == 17 && f.size() > 8) {
      const std::size_t port = number(f, 2, 2);
      if (port == 3784 || port == 4784) seed("bfd_packet", std::string(f.substr(8)));
    }
    if (protocol != 6 || f.size() < 20) return;
    from.port = number(f, 0, 2), to.port = number(f, 2, 2);
    const auto sequence = static_cast<std::uint32_t>(number(f, 4, 4));
    if ((number(f, 13, 1) & 2) != 0) {  // SYN: a new connection, perhaps of ports that were used before
      const Stream old = std::exchange(streams_[{from, to}], Stream{});
      if (old.start && *old.start != sequence + 1) messages(old.bytes(), {});
      streams_[{from, to}].start = sequence + 1;
    }
    Stream& s = streams_[{from, to}];
    const std::string_view data = f.substr(number(f, 12, 1) / 16 * 4);
    if (s.start && !data.empty()) s.segments.emplace(sequence - *s.start, data);
  }

  static std::optional<Opened> first_open(const std::string& stream) {
    if (stream.size() < 29 || number(stream, 18, 1) != 1 || number(stream, 16, 2) > stream.size()) return std::nullopt;
    return opened(std::string_view(stream).substr(19, number(stream, 16, 2) - 19));
  }

  void messages(const std::string& stream, const std::string& back) {
    const auto mine = first_open(stream), theirs = first_open(back);
    const char session = mine && theirs ? session_byte(*mine, *theirs) : '\0';
    for (std::size_t at = 0; at + 19 <= stream.size();) {
      const std::size_t length = number(stream, at + 16, 2), type = number(stream, at + 18, 1);
      if (length < 19 || at + length > stream.size()) break;
      const std::string message = stream.substr(at, length), body = message.substr(19);
      at += length;
      seed("bgp_message", session + message);
      if (type == 1) seed("bgp_open", '\0' + body);
      if (type == 2) attributes(session, body);
    }
  }

  void attributes(char session, const std::string& body) {
    if (body.size() < 4) return;
    const std::size_t withdrawn = number(body, 0, 2);
    if (2 + withdrawn + 2 > body.size()) return;
    const std::string rest = body.substr(4 + withdrawn);
    const std::size_t length = number(body, 2 + withdrawn, 2);
    if (length == 0 || length > rest.size()) return;
    const char around = static_cast<char>((length < rest.size() ? 2 : 0) | (withdrawn != 0 ? 4 : 0));
    seed("bgp_attributes", std::string{session, around} + rest.substr(0, length));
  }

  // The name is of what is in it (FNV-1a): the same input in another run has the same.
  void seed(const std::string& target, const std::string& bytes) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    const fs::path file = out_ / target / fmt::format("captured_{:016x}", hash);
    if (fs::exists(file)) return;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    ++count_;
  }

  fs::path out_;
  std::map<std::pair<End, End>, Stream> streams_;
  std::size_t count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: weft-interop-seeds CAPTURES OUT\n", stderr);
    return 2;
  }
  try {
    Seeds seeds(argv[2]);
    for (const auto& entry : fs::directory_iterator(argv[1]))
      if (entry.path().extension() == ".pcap") seeds.capture(entry.path());
    std::printf("%zu seeds\n", seeds.count());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft-interop-seeds: %s\n", e.what());
    return 1;
  }
}
