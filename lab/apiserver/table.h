// Server-side tables: what kubectl get prints.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

/// Columns of a CRD's additionalPrinterColumns, after Name; Age alone if there are none.
std::vector<Column> custom_columns(const json::array& printer_columns);

/// A Table object: metadata as of the list, rows with the object's metadata (`include`: "Metadata", "Object", "None").
/// `with_columns`: the first of a watch carries the column definitions, the others do not.
json::object table(const std::vector<Column>& columns, const std::vector<const json::value*>& objects,
                   const std::string& include, json::object list_meta, bool with_columns = true);

/// How long ago, as kubectl says it: 5s, 3m20s, 4d.
std::string human_duration(std::chrono::seconds d);
/// The age of an RFC 3339 time; "<unknown>" if there is none.
std::string age_of(const std::string& time);

/// Only metadata: {"kind":"PartialObjectMetadata",…}.
json::object partial_metadata(const json::value& object);

}  // namespace weft::lab::api
