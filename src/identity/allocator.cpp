#include "identity/allocator.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/encoding.h"
#include "base/log.h"
#include "identity/pod_labels.h"
#include "kube/json.h"
#include "kube/reflector.h"
#include "kube/types/cilium.h"

namespace weft::identity {

namespace {

namespace json = boost::json;

constexpr auto kUnseenLimit = std::chrono::seconds(30);

std::uint64_t number_of(std::string_view bytes, std::size_t at) {
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < 8; ++i) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
  return n;
}

}  // namespace

NumericIdentity identity_candidate(const Labels& labels, const IdentityRange& range, std::uint32_t k) {
  // A start that follows from the labels, then one after the other: simple, and a full cycle by nature.
  const auto digest = sha256(label_set_text(labels));
  const std::uint64_t size = std::uint64_t{range.last} - range.first + 1;
  return static_cast<NumericIdentity>(range.first + (number_of(digest, 0) % size + k) % size);
}

// ---- IdentityIndex

void IdentityIndex::forget(NumericIdentity id) {
  const auto it = labels_.find(id);
  if (it == labels_.end()) return;
  const auto set = ids_.find(it->second);
  set->second.erase(id);
  if (set->second.empty()) ids_.erase(set);
  labels_.erase(it);
}

std::vector<NumericIdentity> IdentityIndex::refresh() {
  std::vector<NumericIdentity> gone;
  for (const auto& change : stream_.next()) {
    const bool ours = change.row && change.row->cluster == cluster_;
    // Made and deleted between two looks, it was never in the index, and is gone all the same.
    if (!ours || (labels_.contains(change.key) && labels_[change.key] != change.row->labels)) {
      gone.push_back(change.key);
      forget(change.key);
    }
    if (!ours) continue;
    labels_[change.key] = change.row->labels;
    ids_[change.row->labels].insert(change.key);
  }
  return gone;
}

const std::set<NumericIdentity>& IdentityIndex::of(const Labels& labels) const {
  static const std::set<NumericIdentity> none;
  const auto it = ids_.find(labels);
  return it == ids_.end() ? none : it->second;
}

const Labels& IdentityIndex::labels(NumericIdentity id) const {
  static const Labels none;
  const auto it = labels_.find(id);
  return it == labels_.end() ? none : it->second;
}

// ---- IdentityAllocator

IdentityAllocator::IdentityAllocator(kube::Client& client, Table<Identity>& identities, std::string cluster,
                                     IdentityRange range)
    : client_(client),
      table_(identities),
      cluster_(std::move(cluster)),
      range_(range),
      index_(identities, cluster_),
      idle_(client.io()) {}

void IdentityAllocator::refresh() {
  for (const auto id : index_.refresh()) {
    verified_.erase(id);
    std::erase_if(fresh_, [&](const auto& f) { return f.second.id == id; });
  }
  const auto now = Steady::now();
  for (auto it = fresh_.begin(); it != fresh_.end();) {
    // Seen in the table it is ordinary; never seen, somebody deleted it at once.
    const bool seen = index_.contains(it->second.id);
    const bool lost = !seen && now - it->second.since > kUnseenLimit;
    if (lost) verified_.erase(it->second.id);
    it = seen || lost ? fresh_.erase(it) : std::next(it);
  }
}

std::optional<NumericIdentity> IdentityAllocator::find(const Labels& labels,
                                                       const std::set<NumericIdentity>& except) const {
  std::optional<NumericIdentity> lowest;
  for (const auto id : index_.of(labels))
    if (!except.contains(id)) {
      lowest = id;
      break;
    }
  if (const auto it = fresh_.find(labels); it != fresh_.end() && (!lowest || it->second.id < *lowest))
    lowest = it->second.id;
  return lowest;
}

std::optional<NumericIdentity> IdentityAllocator::known(const Labels& labels) {
  refresh();
  const auto id = find(labels, {});
  return id && verified_.contains(*id) ? id : std::nullopt;
}

void IdentityAllocator::in_use(const std::set<NumericIdentity>& ids) {
  std::erase_if(verified_, [&](NumericIdentity id) { return !ids.contains(id); });
}

Task<Result<NumericIdentity>> IdentityAllocator::allocate(const Labels& labels) {
  // Our own identities are all that counts here: a remote cluster that does not answer must not hold up our pods.
  while (table_.waits_for(kube::kSourcePrefix)) {
    const auto seen = table_.notifier().version();
    co_await table_.notifier().changed_since(seen);
  }
  // One question at a time about one label set: the second caller finds the first one's answer.
  while (busy_.contains(labels)) co_await idle_.changed_since(idle_.version());
  struct Busy {
    Busy(IdentityAllocator& a, const Labels& l) : allocator(a), labels(l) { allocator.busy_.insert(labels); }
    ~Busy() {
      allocator.busy_.erase(labels);
      allocator.idle_.notify();
    }
    IdentityAllocator& allocator;
    const Labels& labels;
  } busy(*this, labels);
  auto id = co_await settle(labels);
  co_return id;
}

Task<Result<IdentityAllocator::Verdict>> IdentityAllocator::adopt(NumericIdentity id, const Labels& labels) {
  const std::string name = std::to_string(id);
  for (int tries = 0; tries < 5; ++tries) {
    auto object = co_await client_.get(kube::kCiliumIdentities, "", name);
    if (!object) {
      if (object.error().code == Errc::not_found) co_return Verdict::gone;
      co_return fail(object.error());
    }
    if (kube::labels_at(*object, "security-labels") != labels) co_return Verdict::foreign;
    if (!kube::object_at(kube::metadata(*object), "annotations").contains(kHeartbeatAnnotation))
      co_return Verdict::ours;
    // The operator is about to delete it as unused. Writing makes its delete, bound to the old version, fail.
    kube::metadata_of(*object)["annotations"].get_object().erase(kHeartbeatAnnotation);
    auto written = co_await client_.update(kube::kCiliumIdentities, "", *object);
    if (written) co_return Verdict::ours;
    if (written.error().code == Errc::not_found) co_return Verdict::gone;
    if (written.error().code != Errc::conflict) co_return fail(written.error());
  }
  co_return fail(Errc::conflict, "CiliumIdentity " + name + " keeps changing; it is tried again");
}

Task<Result<NumericIdentity>> IdentityAllocator::settle(const Labels& labels) {
  const std::uint64_t size = std::uint64_t{range_.last} - range_.first + 1;
  std::uint32_t k = 0;
  std::optional<NumericIdentity> again;  // known by its labels, but gone: made anew under its old number
  std::set<NumericIdentity> foreign;     // the table still shows our labels there, the API server others
  for (;;) {
    refresh();
    auto id = again ? again : find(labels, foreign);
    if (id && !again) {
      if (verified_.contains(*id)) co_return *id;
      auto verdict = co_await adopt(*id, labels);
      if (!verdict) co_return fail(verdict.error());
      if (*verdict == Verdict::ours) {
        verified_.insert(*id);
        co_return *id;
      }
      if (*verdict == Verdict::gone) again = id;
      if (*verdict == Verdict::foreign) foreign.insert(*id);
    }
    if (!again) {
      while (k < size && index_.contains(identity_candidate(labels, range_, k))) ++k;
      if (k >= size)
        co_return fail(Errc::exhausted,
                       fmt::format("identities {} to {} of cluster {} are all taken: exclude labels that "
                                   "differ from pod to pod (chart value labels, such as \"!k8s:build-id\")",
                                   range_.first, range_.last, cluster_));
      id = identity_candidate(labels, range_, k);
    } else {
      id = again;
    }
    Identity wanted;
    wanted.id = *id;
    wanted.labels = labels;
    const auto object = kube::to_cilium_identity(wanted);
    auto made = co_await client_.create(kube::kCiliumIdentities, "", object);
    if (made) {
      log::info("identity made", {{"id", *id}, {"labels", label_set_text(labels)}});
    } else if (made.error().code == Errc::exists) {
      auto verdict = co_await adopt(*id, labels);
      if (!verdict) co_return fail(verdict.error());
      if (*verdict == Verdict::gone) continue;  // gone between the two questions
      if (*verdict == Verdict::foreign) {
        foreign.insert(*id);
        if (again) {
          again.reset();
        } else {
          ++k;
        }
        continue;
      }
    } else {
      co_return fail(made.error());
    }
    fresh_[labels] = {*id, Steady::now()};
    verified_.insert(*id);
    // A lower number for the same labels may have shown up meanwhile: find() decides for all alike.
    refresh();
    const auto settled = find(labels, foreign);
    if (settled && *settled != *id && !verified_.contains(*settled)) {
      again.reset();
      continue;
    }
    co_return settled.value_or(*id);
  }
}

}  // namespace weft::identity
