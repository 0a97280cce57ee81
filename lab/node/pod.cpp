#include "lab/node/pod.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace weft::lab {
namespace {

std::optional<Handler> parse_handler(const json::object& o) {
  Handler h;
  if (find(o, "/exec") != nullptr) {
    h.command = strings(o, "/exec/command");
    return h;
  }
  if (find(o, "/httpGet") != nullptr) {
    h.kind = Handler::Kind::http;
    h.host = str(o, "/httpGet/host");
    h.path = str(o, "/httpGet/path", "/");
    if (!h.path.starts_with("/")) h.path = "/" + h.path;
    h.port = str(o, "/httpGet/port");
    h.scheme = str(o, "/httpGet/scheme", "HTTP");
    for (const auto& item : list(o, "/httpGet/httpHeaders"))
      if (item.is_object()) h.headers.emplace_back(str(item.get_object(), "/name"), str(item.get_object(), "/value"));
    return h;
  }
  if (find(o, "/tcpSocket") != nullptr) {
    h.kind = Handler::Kind::tcp;
    h.host = str(o, "/tcpSocket/host");
    h.port = str(o, "/tcpSocket/port");
    return h;
  }
  if (find(o, "/grpc") != nullptr) {
    h.kind = Handler::Kind::grpc;
    h.port = str(o, "/grpc/port");
    return h;
  }
  if (find(o, "/sleep") != nullptr) {
    h.kind = Handler::Kind::sleep;
    h.sleep = std::chrono::seconds(integer(o, "/sleep/seconds"));
    return h;
  }
  return std::nullopt;
}

std::optional<ProbeSpec> parse_probe(const json::object& container, std::string_view pointer) {
  const auto& o = object(container, pointer);
  const auto handler = parse_handler(o);
  if (!handler) return std::nullopt;
  ProbeSpec p;
  p.handler = *handler;
  // Zero means "the default" in the API, except for the delay.
  const auto seconds = [&](const char* key, std::int64_t fallback) {
    const auto v = integer(o, key);
    return std::chrono::seconds(v > 0 ? v : fallback);
  };
  p.initial_delay = seconds("/initialDelaySeconds", 0);
  p.period = seconds("/periodSeconds", 10);
  p.timeout = seconds("/timeoutSeconds", 1);
  p.success_threshold = static_cast<unsigned>(std::max<std::int64_t>(1, integer(o, "/successThreshold", 1)));
  p.failure_threshold = static_cast<unsigned>(std::max<std::int64_t>(1, integer(o, "/failureThreshold", 3)));
  return p;
}

EnvVar parse_env(const json::object& o) {
  EnvVar e;
  e.name = str(o, "/name");
  const auto ref = [&](EnvVar::Source source, const char* at) {
    const auto& r = object(o, at);
    e.source = source;
    e.ref = str(r, "/name");
    e.value = str(r, "/key");
    e.optional = boolean(r, "/optional");
  };
  if (find(o, "/valueFrom/fieldRef") != nullptr) {
    e.source = EnvVar::Source::field;
    e.value = str(o, "/valueFrom/fieldRef/fieldPath");
  } else if (find(o, "/valueFrom/configMapKeyRef") != nullptr) {
    ref(EnvVar::Source::config_map, "/valueFrom/configMapKeyRef");
  } else if (find(o, "/valueFrom/secretKeyRef") != nullptr) {
    ref(EnvVar::Source::secret, "/valueFrom/secretKeyRef");
  } else if (find(o, "/valueFrom/resourceFieldRef") != nullptr) {
    e.source = EnvVar::Source::resource;
    e.value = str(o, "/valueFrom/resourceFieldRef/resource");
  } else {
    e.value = str(o, "/value");
  }
  return e;
}

Result<ContainerSpec> parse_container(const json::object& o) {
  ContainerSpec c;
  c.name = str(o, "/name");
  if (c.name.empty() || c.name.find('/') != std::string::npos)
    return fail(Errc::invalid, fmt::format("container name \"{}\": cannot be one", c.name));
  c.image = str(o, "/image");
  c.command = strings(o, "/command");
  c.args = strings(o, "/args");
  c.working_dir = str(o, "/workingDir");
  for (const auto& item : list(o, "/env"))
    if (item.is_object()) c.env.push_back(parse_env(item.get_object()));
  for (const auto& item : list(o, "/envFrom")) {
    if (!item.is_object()) continue;
    const auto& e = item.get_object();
    const bool secret = find(e, "/secretRef") != nullptr;
    const auto& ref = object(e, secret ? "/secretRef" : "/configMapRef");
    c.env_from.push_back({str(e, "/prefix"), secret, str(ref, "/name"), boolean(ref, "/optional")});
  }
  for (const auto& item : list(o, "/volumeMounts")) {
    if (!item.is_object()) continue;
    const auto& m = item.get_object();
    VolumeMount mount{str(m, "/name"), str(m, "/mountPath"), str(m, "/subPath"), false, boolean(m, "/readOnly")};
    if (const std::string expr = str(m, "/subPathExpr"); !expr.empty()) {
      mount.sub_path = expr;
      mount.expand = true;
    }
    if (mount.path.find("..") != std::string::npos || mount.sub_path.find("..") != std::string::npos)
      return fail(Errc::invalid,
                  fmt::format("container {}: volumeMount {}: \"..\" is not allowed in a path", c.name, mount.path));
    if (!mount.path.starts_with("/")) mount.path = "/" + mount.path;
    c.mounts.push_back(std::move(mount));
  }
  for (const auto& item : list(o, "/ports")) {
    if (!item.is_object()) continue;
    if (const std::string name = str(item.get_object(), "/name"); !name.empty())
      c.ports[name] = static_cast<unsigned>(integer(item.get_object(), "/containerPort"));
  }
  c.readiness = parse_probe(o, "/readinessProbe");
  c.liveness = parse_probe(o, "/livenessProbe");
  c.startup = parse_probe(o, "/startupProbe");
  c.post_start = parse_handler(object(o, "/lifecycle/postStart"));
  c.pre_stop = parse_handler(object(o, "/lifecycle/preStop"));
  c.sidecar = str(o, "/restartPolicy") == "Always";
  c.privileged = boolean(o, "/securityContext/privileged");
  return c;
}

Result<std::vector<ContainerSpec>> parse_containers(const json::object& o, std::string_view pointer) {
  std::vector<ContainerSpec> out;
  for (const auto& item : list(o, pointer)) {
    if (!item.is_object()) continue;
    auto c = parse_container(item.get_object());
    if (!c) return fail(c.error());
    out.push_back(std::move(*c));
  }
  return out;
}

}  // namespace

Result<Pod> parse_pod(const json::object& o) {
  Pod p;
  p.name = {str(o, "/metadata/namespace"), str(o, "/metadata/name")};
  p.uid = str(o, "/metadata/uid");
  if (p.uid.empty() || p.uid.find('/') != std::string::npos)
    return fail(Errc::invalid, fmt::format("pod {}: metadata.uid \"{}\": cannot be one", p.name.to_string(), p.uid));
  p.resource_version = str(o, "/metadata/resourceVersion");
  p.deleting = find(o, "/metadata/deletionTimestamp") != nullptr && find(o, "/metadata/deletionTimestamp")->is_string();
  p.grace = std::chrono::seconds(integer(o, "/spec/terminationGracePeriodSeconds", 30));
  if (p.deleting) p.grace = std::chrono::seconds(integer(o, "/metadata/deletionGracePeriodSeconds", p.grace.count()));
  p.phase = str(o, "/status/phase");
  const std::string restart = str(o, "/spec/restartPolicy", "Always");
  p.restart = restart == "Never"       ? RestartPolicy::never
              : restart == "OnFailure" ? RestartPolicy::on_failure
                                       : RestartPolicy::always;
  p.host_network = boolean(o, "/spec/hostNetwork");
  p.hostname = str(o, "/spec/hostname", p.name.name);
  p.subdomain = str(o, "/spec/subdomain");
  p.service_account = str(o, "/spec/serviceAccountName", "default");
  p.dns_policy = str(o, "/spec/dnsPolicy", "ClusterFirst");
  for (const auto& [pointer, into] :
       {std::pair{"/spec/initContainers", &p.init_containers}, {"/spec/containers", &p.containers}}) {
    auto parsed = parse_containers(o, pointer);
    if (!parsed) return fail(parsed.error().in("pod " + p.name.to_string()));
    *into = std::move(*parsed);
  }
  p.volumes = list(o, "/spec/volumes");
  p.object = o;
  return p;
}

Result<unsigned> resolve_port(const ContainerSpec& c, const std::string& port) {
  unsigned number = 0;
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (ec == std::errc() && end == port.data() + port.size() && number >= 1 && number <= 65535) return number;
  if (const auto it = c.ports.find(port); it != c.ports.end()) return it->second;
  return fail(
      Errc::not_found,
      fmt::format(
          "port \"{}\" of container {}: is neither a number nor the name of one of its ports; name it under ports",
          port, c.name));
}

Result<std::vector<std::string>> argv_of(const ContainerSpec& c,
                                         const std::map<std::string, std::vector<std::string>>& images) {
  std::vector<std::string> argv = c.command;
  if (argv.empty()) {
    // "registry:5000/team/app:1.2@sha256:…" → "registry:5000/team/app" and "app".
    std::string image = c.image.substr(0, c.image.find('@'));
    const auto slash = image.rfind('/');
    if (const auto colon = image.rfind(':');
        colon != std::string::npos && (slash == std::string::npos || colon > slash))
      image.resize(colon);
    const std::string last = slash == std::string::npos ? image : image.substr(slash + 1);
    auto it = images.find(image);
    if (it == images.end()) it = images.find(last);
    if (it == images.end())
      return fail(
          Errc::not_found,
          fmt::format("image \"{}\": the lab runs processes of this machine, not images; give the container a command, "
                      "or name one for \"{}\" under images in the topology",
                      c.image, last));
    argv = it->second;
  }
  argv.insert(argv.end(), c.args.begin(), c.args.end());
  return argv;
}

}  // namespace weft::lab
