#include "bgp/rib/route_page.h"

#include <algorithm>

namespace weft::bgp {

std::size_t RouteTable::Page::lower_bound(const PrefixKey& wanted) const {
  std::size_t first = 0;
  std::size_t count = size();
  while (count > 0) {
    const std::size_t half = count / 2;
    if (key(first + half) < wanted) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return first;
}

std::uint32_t RouteTable::Page::intern(const SharedAttributes& value) {
  for (std::size_t i = attributes.size(); i-- > 0;)
    if (attributes[i].same(value)) return static_cast<std::uint32_t>(i);
  const auto equal = std::find(attributes.begin(), attributes.end(), value);
  if (equal != attributes.end()) return static_cast<std::uint32_t>(equal - attributes.begin());
  attributes.push_back(value);
  return static_cast<std::uint32_t>(attributes.size() - 1);
}

// Forgets attributes that no route of the page uses any more; the last ones take their place.
void RouteTable::Page::release(std::uint32_t index) {
  for (std::size_t i = 0; i < size(); ++i)
    if (word(i) >> 8 == index) return;
  const auto last = static_cast<std::uint32_t>(attributes.size() - 1);
  if (index != last) {
    attributes[index] = std::move(attributes[last]);
    for (std::size_t i = address_words; i < words.size(); i += stride())
      if (words[i] >> 8 == last) words[i] = index << 8 | (words[i] & 0xff);
  }
  attributes.pop_back();
}

void RouteTable::Page::insert(std::size_t i, const PrefixKey& k, const SharedAttributes& value) {
  std::uint32_t w[5] = {static_cast<std::uint32_t>(k.high >> 32)};
  if (address_words == 4) {
    w[1] = static_cast<std::uint32_t>(k.high);
    w[2] = static_cast<std::uint32_t>(k.low >> 32);
    w[3] = static_cast<std::uint32_t>(k.low);
  }
  w[address_words] = intern(value) << 8 | k.length;
  words.insert(words.begin() + static_cast<std::ptrdiff_t>(i * stride()), w, w + stride());
}

void RouteTable::Page::replace(std::size_t i, const SharedAttributes& value) {
  const std::uint32_t old = word(i) >> 8;
  std::uint32_t& w = words[i * stride() + address_words];
  w = intern(value) << 8 | (w & 0xff);
  release(old);
}

void RouteTable::Page::erase(std::size_t i) {
  const std::uint32_t old = word(i) >> 8;
  const auto at = words.begin() + static_cast<std::ptrdiff_t>(i * stride());
  words.erase(at, at + static_cast<std::ptrdiff_t>(stride()));
  release(old);
}

RouteTable::Page RouteTable::Page::part(std::size_t first, std::size_t last) const {
  Page out(address_words == 1 ? Family::v4 : Family::v6);
  out.words.assign(words.begin() + static_cast<std::ptrdiff_t>(first * stride()),
                   words.begin() + static_cast<std::ptrdiff_t>(last * stride()));
  constexpr std::uint32_t kNone = ~0U;
  std::vector<std::uint32_t> moved(attributes.size(), kNone);
  for (std::size_t i = address_words; i < out.words.size(); i += stride()) {
    std::uint32_t& to = moved[out.words[i] >> 8];
    if (to == kNone) {
      to = static_cast<std::uint32_t>(out.attributes.size());
      out.attributes.push_back(attributes[out.words[i] >> 8]);
    }
    out.words[i] = to << 8 | (out.words[i] & 0xff);
  }
  return out;
}

void RouteTable::Page::append(const Page& other) {
  std::vector<std::uint32_t> moved;
  moved.reserve(other.attributes.size());
  for (const SharedAttributes& a : other.attributes) moved.push_back(intern(a));
  const std::size_t from = words.size();
  words.insert(words.end(), other.words.begin(), other.words.end());
  for (std::size_t i = from + address_words; i < words.size(); i += stride())
    words[i] = moved[words[i] >> 8] << 8 | (words[i] & 0xff);
}

std::size_t RouteTable::Root::page_of(const PrefixKey& key) const {
  const auto behind = std::upper_bound(pages.begin(), pages.end(), key,
                                       [](const PrefixKey& k, const Ref& ref) { return k < ref.first; });
  return behind == pages.begin() ? 0 : static_cast<std::size_t>(behind - pages.begin() - 1);
}

}  // namespace weft::bgp
