"""Who gets what from /api/v1, on a thing of one enterprise; written by hand, not made from the table of rights."""

from tests.integration.authorisation.world import expected

# + carried out, o carried out but shows nothing of the thing, - refused
#
#                                                          administrator
#                                                          |reviewer
#                                                          ||auditor
#                                                          ||| own enterprise: administrator
#                                                          ||| |user
#                                                          ||| ||applicant
#                                                          ||| |||reader
#                                                          ||| |||| other enterprise: the same
#                                                          ||| |||| |||| nobody
EXPECTED = expected("""
PUT    /api/v1/identifiers/{identifier}                    +-- ++-- ---- -
GET    /api/v1/identifiers/{identifier}                    +oo ++-+ oo-o -
PATCH  /api/v1/identifiers/{identifier}                    +-- ++-- ---- -
DELETE /api/v1/identifiers/{identifier}                    +-- ++-- ---- -
GET    /api/v1/identifiers                                 +-+ ++-+ ---- -
POST   /api/v1/identifiers:batch                           +-- ++-- oo-- -
GET    /api/v1/identifiers:search                          +-+ ++-+ ---- -
GET    /api/v1/identifiers:history                         +-o ++-+ ---- -
GET    /api/v1/identifiers:references                      +-o ++-+ oo-o -
GET    /api/v1/identifiers:referrers                       +-o ++-+ oo-o -
GET    /api/v1/identifiers:graph                           +-o ++-+ oo-o -
GET    /api/v1/aliases                                     +++ ++-+ ++-+ -
PUT    /api/v1/aliases/{identifier}                        +-- ++-- ---- -
GET    /api/v1/aliases/{identifier}                        +++ ++-+ ++-+ -
DELETE /api/v1/aliases/{identifier}                        +-- ++-- ---- -

GET    /api/v1/changes                                     +-+ ++-+ oo-o -
POST   /api/v1/snapshots                                   +-+ ++-+ ++-+ -
GET    /api/v1/snapshots/{id}                              --- ++-+ ---- -
GET    /api/v1/snapshots/{id}/parts/{n}                    --- ++-+ ---- -
DELETE /api/v1/snapshots/{id}                              --- ++-+ ---- -

POST   /api/v1/prefixes                                    +-- ---- ---- -
POST   /api/v1/prefixes:apply                              +-- +-+- ---- -
GET    /api/v1/prefixes                                    +++ ++++ oooo -
GET    /api/v1/prefixes/{prefix}                           +++ ++++ ---- -
PATCH  /api/v1/prefixes/{prefix}                           +-- ---- ---- -
POST   /api/v1/prefixes/{prefix}:approve                   ++- ---- ---- -
POST   /api/v1/prefixes/{prefix}:reject                    ++- ---- ---- -
POST   /api/v1/prefixes/{prefix}:decide                    ++- ---- ---- -
POST   /api/v1/prefixes/{prefix}:suspend                   +-- ---- ---- -
POST   /api/v1/prefixes/{prefix}:resume                    +-- ---- ---- -
POST   /api/v1/prefixes/{prefix}:withdraw                  +-- +-+- ---- -
POST   /api/v1/prefixes/{prefix}:transfer                  +-- ---- ---- -
GET    /api/v1/prefixes/{prefix}/route                     +++ ++++ ---- -
PUT    /api/v1/prefixes/{prefix}/route                     +-- +--- ---- -
POST   /api/v1/prefixes/{prefix}:host                      +-- +--- ---- -
POST   /api/v1/prefixes/{prefix}:decide-hosting            +-- ---- ---- -
GET    /api/v1/prefixes/{prefix}/report-keys               +-+ +--- ---- -
PUT    /api/v1/prefixes/{prefix}/report-keys/{label}       +-- +--- ---- -
DELETE /api/v1/prefixes/{prefix}/report-keys/{label}       +-- +--- ---- -
GET    /api/v1/prefix-allocation                           +-- ---- ---- -
PUT    /api/v1/prefix-allocation                           +-- ---- ---- -
POST   /api/v1/prefix-reservations                         +-- ---- ---- -
GET    /api/v1/prefix-reservations                         +-- ---- ---- -
DELETE /api/v1/prefix-reservations/{reservation}           +-- ---- ---- -

POST   /api/v1/templates                                   +-- +--- ---- -
GET    /api/v1/templates                                   +++ ++-+ oo-o -
GET    /api/v1/templates/{code}                            +++ ++-+ ---- -
PATCH  /api/v1/templates/{code}                            +-- +--- ---- -
DELETE /api/v1/templates/{code}                            +-- +--- ---- -
POST   /api/v1/templates/{code}:publish                    +-- +--- ---- -
POST   /api/v1/templates/{code}:copy                       +-- +--- ---- -
POST   /api/v1/templates/{code}/items/{index}:regrade      +-- +--- ---- -
GET    /api/v1/exposure                                    +-+ +--- o--- -
POST   /api/v1/grants                                      +-- +--- ---- -
GET    /api/v1/grants                                      +-+ ++-+ oo-o -
GET    /api/v1/grants/{grant}                              +-+ ++-+ ---- -
DELETE /api/v1/grants/{grant}                              +-- +--- ---- -

POST   /api/v1/sessions                                    +++ ++++ ++++ +
DELETE /api/v1/sessions/current                            +++ ++++ ++++ -
GET    /api/v1/whoami                                      +++ ++++ ++++ -
GET    /api/v1/accounts/me                                 +++ ++++ ++++ -
PATCH  /api/v1/accounts/me                                 +++ ++++ ++++ -
POST   /api/v1/accounts/me:change-password                 +++ ++++ ++++ -
POST   /api/v1/accounts/me:enrol-totp                      +++ ++++ ++++ -
POST   /api/v1/accounts/me:confirm-totp                    +++ ++++ ++++ -
POST   /api/v1/accounts/me:disable-totp                    +++ ++++ ++++ -
POST   /api/v1/accounts/me/tokens                          +++ ++++ ++++ -
GET    /api/v1/accounts/me/tokens                          +++ ++++ ++++ -
DELETE /api/v1/accounts/me/tokens/{token}                  +++ ++++ ++++ -
POST   /api/v1/accounts                                    +-- +--- ---- -
GET    /api/v1/accounts                                    +++ +--- o--- -
GET    /api/v1/accounts/{account}                          +++ +--- ---- -
PATCH  /api/v1/accounts/{account}                          +-- +--- ---- -
POST   /api/v1/accounts/{account}:unlock                   +-- +--- ---- -
POST   /api/v1/accounts/{account}:reset-password           +-- +--- ---- -
POST   /api/v1/accounts/{account}:reset-totp               +-- +--- ---- -
POST   /api/v1/tokens                                      +-- +--- ---- -
GET    /api/v1/tokens                                      +-- +--- o--- -
DELETE /api/v1/tokens/{token}                              +-- +--- ---- -
POST   /api/v1/groups                                      +-- +--- ---- -
GET    /api/v1/groups                                      +++ ++-+ oo-o -
GET    /api/v1/groups/{group}                              +++ ++-+ ---- -
PATCH  /api/v1/groups/{group}                              +-- +--- ---- -
POST   /api/v1/groups/{group}:change-members               +-- +--- ---- -
DELETE /api/v1/groups/{group}                              +-- +--- ---- -
GET    /api/v1/audit                                       +-+ +--- o--- -
GET    /api/v1/audit:export                                +-+ +--- o--- -

POST   /api/v1/enterprises                                 +-- --+- --+- -
GET    /api/v1/enterprises                                 +++ ++++ oooo -
GET    /api/v1/enterprises/{enterprise}                    +++ ++++ ---- -
POST   /api/v1/enterprises/{enterprise}:correct            +-- +-+- ---- -
POST   /api/v1/enterprises/{enterprise}:request-change     +-- +-+- ---- -
POST   /api/v1/enterprises/{enterprise}:approve            ++- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:reject             ++- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:decide             ++- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:verify             ++- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:suspend            +-- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:resume             +-- ---- ---- -
POST   /api/v1/enterprises/{enterprise}:withdraw           +-- +-+- ---- -
GET    /api/v1/takeover-terms                              +++ ++++ ++++ +
POST   /api/v1/files                                       +-- +++- +++- -
GET    /api/v1/files/{file}                                +++ +--- ---- -
GET    /api/v1/files/{file}/content                        +++ +--- ---- -
GET    /api/v1/regions                                     +++ ++++ ++++ +
GET    /api/v1/industries                                  +++ ++++ ++++ +

POST   /api/v1/jobs                                        +-- ++-- ++-- -
GET    /api/v1/jobs                                        +-+ ++-- oo-- -
GET    /api/v1/jobs/{job}                                  +-+ ++-- ---- -
GET    /api/v1/jobs/{job}/results                          +-+ ++-- ---- -
POST   /api/v1/jobs/{job}:cancel                           +-- ++-- ---- -
GET    /api/v1/quotas                                      +-+ ++-+ oo-o -
GET    /api/v1/quotas/{enterprise}                         +-+ ++-+ ---- -
PUT    /api/v1/quotas/{enterprise}                         +-- ---- ---- -

GET    /api/v1/sync/status                                 +-+ ---- ---- -
GET    /api/v1/sync/streams                                +-+ ---- ---- -
GET    /api/v1/sync/batches                                +-+ ---- ---- -
GET    /api/v1/sync/open-rows                              +-+ ---- ---- -
GET    /api/v1/sync/directives                             +-+ ---- ---- -
GET    /api/v1/sync/notes                                  +-+ ---- ---- -
POST   /api/v1/sync/notes                                  +-- ---- ---- -
GET    /api/v1/sync/notes/{note}                           +-+ ---- ---- -
PUT    /api/v1/sync/notes/{note}                           +-- ---- ---- -
DELETE /api/v1/sync/notes/{note}                           +-- ---- ---- -
GET    /api/v1/sync/contacts                               +++ ---- ---- -
POST   /api/v1/sync/contacts                               +-- ---- ---- -
POST   /api/v1/sync/contacts:sign                          +-- ---- ---- -
GET    /api/v1/sync/agreement                              +++ ---- ---- -
PUT    /api/v1/sync/agreement                              +-- ---- ---- -
GET    /api/v1/sync/findings                               +-+ ---- ---- -
POST   /api/v1/sync:retry                                  +-- ---- ---- -
POST   /api/v1/sync:pause                                  +-- ---- ---- -
POST   /api/v1/sync:unpause                                +-- ---- ---- -
POST   /api/v1/sync/streams:resume                         +-- ---- ---- -
POST   /api/v1/sync/streams:send-full                      +-- ---- ---- -
POST   /api/v1/sync/open-rows:resend                       +-- ---- ---- -
POST   /api/v1/sync/open-rows:dismiss                      +-- ---- ---- -
GET    /api/v1/escrow/deposits                             +-+ ---- ---- -

GET    /api/v1/takeover                                    +-+ ---- ---- -
POST   /api/v1/takeover:start                              +-- ---- ---- -
POST   /api/v1/takeover:end                                +-- ---- ---- -
GET    /api/v1/takeover/conflicts                          +-+ ---- ---- -
POST   /api/v1/takeover/conflicts:decide                   +-- ---- ---- -

GET    /api/v1/monitor/metrics                             +-+ ---- ---- -
GET    /api/v1/monitor/events                              +-+ ---- ---- -
GET    /api/v1/monthly-reports                             +-+ ---- ---- -
GET    /api/v1/monthly-reports/{month}                     +-+ ---- ---- -
GET    /api/v1/monthly-reports/{month}/documents/{form}    +-+ ---- ---- -
POST   /api/v1/events                                      +-- ---- ---- -
POST   /api/v1/events/{event}:recover                      +-- ---- ---- -

GET    /api/v1/operator                                    +++ ---- ---- -
PUT    /api/v1/operator                                    +-- ---- ---- -
GET    /api/v1/operator/files/{file}                       +++ ---- ---- -
GET    /api/v1/operator/resolution                         +++ ---- ---- -
PUT    /api/v1/operator/resolution                         +-- ---- ---- -
POST   /api/v1/applications                                +-- +--- ---- -
GET    /api/v1/applications                                +++ ++-+ oo-o -
GET    /api/v1/applications/{application}                  +++ ++-+ ---- -
PUT    /api/v1/applications/{application}                  +-- +--- ---- -
DELETE /api/v1/applications/{application}                  +-- +--- ---- -
GET    /api/v1/status                                      +-+ ---- ---- -
GET    /api/v1/openapi.json                                +++ ++++ ++++ +
GET    /api/v1/docs                                        +++ ++++ ++++ +
""")
