"""Who gets what from the SNMS-compatible calls, on a thing of one enterprise; letters and columns as in /api/v1."""

from tests.integration.authorisation.world import expected

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
POST   /identity/token                                     +++ ++++ ++++ +
POST   /identity/token/v1                                  +++ ++++ ++++ +
POST   /identity/registry                                  +-- ---- ---- -

POST   /snms/api/v3/ent/apply                              +-- ---- ---- -
POST   /snms/api/v3/ent/upgrade-apply                      +-- +--- ---- -
GET    /snms/api/v3/ent/page                               +++ ++++ oooo -
GET    /snms/api/v3/ent/detail                             +++ ++++ ---- -
POST   /snms/api/ent/config                                +-- +--- ---- -
POST   /snms/api/file/upload                               +-- +++- +++- -
GET    /snms/api/file/{id}                                 +++ +--- ---- -
GET    /snms/api/prefix/query                              +++ ++++ ---- -
GET    /snms/api/prefix/page                               +++ ++++ oooo -

GET    /snms/api/v3/template                               +++ ++-+ ---- -
POST   /snms/api/v3/template                               +-- +--- ---- -
DELETE /snms/api/v3/template                               +-- +--- ---- -
GET    /snms/api/v5/template                               +++ ++-+ ---- -
POST   /snms/api/v5/template                               +-- +--- ---- -
PUT    /snms/api/v5/template                               +-- +--- ---- -
DELETE /snms/api/v5/template                               +-- +--- ---- -

GET    /identityv2/data/detail                             +oo ++-+ oo-o -
POST   /identityv2/data                                    +-- ++-- ---- -
PUT    /identityv2/data                                    +-- ++-- ---- -
DELETE /identityv2/data                                    +-- ++-- ---- -
POST   /identityv2/data/batchCreate                        +-- ++-- oo-- -
PUT    /identityv2/data/batchUpdate                        +-- ++-- oo-- -
DELETE /identityv2/data/batchDelete                        +-- ++-- oo-- -
""")
