// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/styles.h"

#include "core/desk/store/impl.h"

namespace pl::desk {

Result<Styles> stylesOf(Project& project, const std::map<Id, Project::PairFacts>& facts, size_t atMost) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading answers", [&]() -> Result<Styles> {
        Styles out;
        out.complete = true;
        for (const auto& [pair, each] : facts) {
            if (each.modelA.empty() || each.modelB.empty() || each.modelA == each.modelB)
                continue;
            for (const Id candidate : {each.a, each.b}) {
                auto known = impl.memory.styles.find(candidate);
                if (known == impl.memory.styles.end()) {
                    if (atMost == 0) {
                        out.complete = false;
                        continue;
                    }
                    --atMost;
                    auto row = impl.query("SELECT c.text FROM candidates k JOIN contents c ON c.id = k.content_id WHERE k.id = ?");
                    StyleCounts counts;
                    if (row.bind(candidate).step())
                        counts = styleOf(row.text(0));
                    known = impl.memory.styles.emplace(candidate, counts).first;
                }
                out.of[candidate] = known->second;
            }
        }
        return out;
    });
}

} // namespace pl::desk
