#include "bgp/rib/route_table.h"

#include <algorithm>

#include "bgp/rib/route_page.h"

namespace weft::bgp {

namespace {

std::uint64_t load(const std::uint8_t* b) {
  std::uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v = v << 8 | b[i];
  return v;
}

void store(std::uint64_t v, std::uint8_t* b) {
  for (int i = 8; i-- > 0; v >>= 8) b[i] = static_cast<std::uint8_t>(v);
}

}  // namespace

PrefixKey PrefixKey::of(const Prefix& prefix) {
  const auto& raw = prefix.address().raw();  // zero beyond an IPv4 address
  return {load(raw.data()), load(raw.data() + 8), static_cast<std::uint8_t>(prefix.length())};
}

Prefix PrefixKey::prefix(Family family) const {
  if (family == Family::v4) return {Address::v4(static_cast<std::uint32_t>(high >> 32)), length};
  std::array<std::uint8_t, 16> raw;
  store(high, raw.data());
  store(low, raw.data() + 8);
  return {Address::v6(raw), length};
}

std::size_t RouteTable::size() const { return root_ ? root_->size : 0; }

RouteTable::Root& RouteTable::writable_root() {
  if (!root_)
    root_ = std::make_shared<Root>();
  else if (root_.use_count() > 1)
    root_ = std::make_shared<Root>(*root_);
  return *root_;
}

RouteTable::Page& RouteTable::writable_page(std::size_t index) {
  auto& page = root_->pages[index].page;
  if (page.use_count() > 1) page = std::make_shared<Page>(*page);
  return *page;
}

const SharedAttributes* RouteTable::get(const PrefixKey& key) const {
  if (empty()) return nullptr;
  const Page& page = *root_->pages[root_->page_of(key)].page;
  const std::size_t i = page.lower_bound(key);
  return i < page.size() && page.key(i) == key ? &page.at(i) : nullptr;
}

std::optional<SharedAttributes> RouteTable::find(const Prefix& prefix) const {
  if (prefix.family() != family_) return std::nullopt;
  const SharedAttributes* found = get(PrefixKey::of(prefix));
  return found == nullptr ? std::nullopt : std::optional(*found);
}

bool RouteTable::set(const PrefixKey& key, const SharedAttributes& attributes) {
  if (const SharedAttributes* old = get(key)) {
    if (*old == attributes) return false;
    const SharedAttributes value = attributes;  // may be of the page that is about to change
    Root& root = writable_root();
    Page& page = writable_page(root.page_of(key));
    page.replace(page.lower_bound(key), value);
    return true;
  }
  const SharedAttributes value = attributes;
  Root& root = writable_root();
  ++root.size;
  if (root.pages.empty()) {
    root.pages.push_back({key, std::make_shared<Page>(family_)});
  } else if (root.pages.back().page->size() >= kPageRoutes && key > root.pages.back().page->last()) {
    root.pages.push_back({key, std::make_shared<Page>(family_)});  // ascending order fills pages whole
  }
  std::size_t index = root.page_of(key);
  if (root.pages[index].page->size() >= kPageRoutes) {
    split(index);
    index = root.page_of(key);
  }
  if (key < root.pages[index].first) root.pages[index].first = key;
  Page& page = writable_page(index);
  page.insert(page.lower_bound(key), key, value);
  return true;
}

void RouteTable::split(std::size_t index) {
  Root& root = *root_;
  const Page& whole = *root.pages[index].page;
  const std::size_t half = whole.size() / 2;
  auto upper = std::make_shared<Page>(whole.part(half, whole.size()));
  auto lower = std::make_shared<Page>(whole.part(0, half));
  const PrefixKey first = upper->key(0);
  root.pages[index].page = std::move(lower);
  root.pages.insert(root.pages.begin() + static_cast<std::ptrdiff_t>(index) + 1, {first, std::move(upper)});
}

bool RouteTable::remove(const PrefixKey& key) {
  if (get(key) == nullptr) return false;
  Root& root = writable_root();
  if (--root.size == 0) {
    root_.reset();
    return true;
  }
  const std::size_t index = root.page_of(key);
  if (root.pages[index].page->size() == 1) {
    root.pages.erase(root.pages.begin() + static_cast<std::ptrdiff_t>(index));
    return true;
  }
  Page& page = writable_page(index);
  page.erase(page.lower_bound(key));
  if (page.size() < kPageRoutes / 4) join_small(index);
  return true;
}

// Keeps the number of pages in proportion to the routes when most of them have gone.
void RouteTable::join_small(std::size_t index) {
  Root& root = *root_;
  if (root.pages.size() == 1) return;
  const std::size_t left = index + 1 < root.pages.size() ? index : index - 1;
  if (root.pages[left].page->size() + root.pages[left + 1].page->size() > kPageRoutes * 3 / 4) return;
  writable_page(left).append(*root.pages[left + 1].page);
  root.pages.erase(root.pages.begin() + static_cast<std::ptrdiff_t>(left) + 1);
}

void RouteTable::for_each(const std::function<void(const PrefixKey&, const SharedAttributes&)>& visit) const {
  const RouteTable keep = *this;  // `visit` may change this table
  for (Cursor at(keep.root_.get()); !at.end(); at.next()) visit(at.key(), at.attributes());
}

void RouteTable::diff(const RouteTable& next, const Visitor& visit) const {
  if (same(next)) return;
  TableDiff differences(*this, next);
  for (Change change; differences.next(change);) visit(change);
}

bool RouteTable::operator==(const RouteTable& other) const {
  if (same(other)) return true;
  if (size() != other.size() || (family_ != other.family_ && !empty())) return false;
  TableDiff differences(*this, other);
  Change change;
  return !differences.next(change);
}

RouteTable RouteTable::splice(const RouteTable& low, const RouteTable& high, const PrefixKey& key) {
  if (low.same(high)) return low;
  auto root = std::make_shared<Root>();
  const auto put = [&](const PrefixKey& first, std::shared_ptr<Page> page) {
    root->size += page->size();
    root->pages.push_back({first, std::move(page)});
  };
  if (!low.empty()) {
    const std::size_t cut = low.root_->page_of(key);
    for (std::size_t i = 0; i < cut; ++i) put(low.root_->pages[i].first, low.root_->pages[i].page);
    const auto& [first, page] = low.root_->pages[cut];
    std::size_t n = page->lower_bound(key);
    if (n < page->size() && page->key(n) == key) ++n;
    if (n == page->size())
      put(first, page);
    else if (n > 0)
      put(first, std::make_shared<Page>(page->part(0, n)));
  }
  if (!high.empty()) {
    const std::size_t cut = high.root_->page_of(key);
    const auto& page = high.root_->pages[cut].page;
    std::size_t n = page->lower_bound(key);
    if (n < page->size() && page->key(n) == key) ++n;
    if (n == 0)
      put(page->key(0), page);
    else if (n < page->size())
      put(page->key(n), std::make_shared<Page>(page->part(n, page->size())));
    for (std::size_t i = cut + 1; i < high.root_->pages.size(); ++i)
      put(high.root_->pages[i].first, high.root_->pages[i].page);
  }
  RouteTable out(low.family_);
  if (root->size > 0) out.root_ = std::move(root);
  return out;
}

TableDiff::TableDiff(RouteTable before, RouteTable after, std::optional<PrefixKey> all_from)
    : before_(std::move(before)),
      after_(std::move(after)),
      all_from_(all_from),
      a_(std::make_unique<RouteTable::Cursor>(before_.root_.get())),
      b_(std::make_unique<RouteTable::Cursor>(after_.root_.get())) {}

TableDiff::~TableDiff() = default;

bool TableDiff::next(RouteTable::Change& change) {
  auto& a = *a_;
  auto& b = *b_;
  while (!a.end() || !b.end()) {
    const auto order = a.end()   ? std::strong_ordering::greater
                       : b.end() ? std::strong_ordering::less
                                 : a.key() <=> b.key();
    if (order > 0) {
      change = {b.key(), nullptr, &b.attributes()};
      b.next();
      return true;
    }
    if (order < 0) {
      change = {a.key(), &a.attributes(), nullptr};
      a.next();
      return true;
    }
    if (a.page() == b.page()) {  // the same from here to its end
      if (!all_from_) {
        RouteTable::Cursor::skip_shared(a, b);
        continue;
      }
      if (a.page()->last() < *all_from_) {
        a.next_page();
        b.next_page();
        continue;
      }
    }
    change = {a.key(), &a.attributes(), &b.attributes()};
    a.next();
    b.next();
    if ((all_from_ && change.key >= *all_from_) || !(*change.before == *change.after)) return true;
  }
  return false;
}

}  // namespace weft::bgp
