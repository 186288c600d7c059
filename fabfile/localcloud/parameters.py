"""The parameters of MySQL on RDS that the local cloud knows, and what each is called on the MariaDB behind it."""

import re
from dataclasses import dataclass

# name, how a change is applied, type, and the values AWS allows. MariaDB spells most of them the same.
_TABLE = """
auto_increment_increment            dynamic integer 1-65535
auto_increment_offset               dynamic integer 1-65535
autocommit                          dynamic boolean 0,1
back_log                            static  integer 1-65535
binlog_cache_size                   dynamic integer 4096-18446744073709547520
binlog_format                       dynamic string  ROW,STATEMENT,MIXED
binlog_row_image                    dynamic string  full,minimal,noblob
character_set_client                dynamic string
character_set_connection            dynamic string
character_set_database              dynamic string
character_set_filesystem            dynamic string
character_set_results               dynamic string
character_set_server                dynamic string
collation_connection                dynamic string
collation_server                    dynamic string
connect_timeout                     dynamic integer 2-31536000
default_storage_engine              dynamic string  InnoDB,MyISAM
enforce_gtid_consistency            dynamic string  OFF,WARN,ON
event_scheduler                     dynamic string  ON,OFF
explicit_defaults_for_timestamp     dynamic boolean 0,1
general_log                         dynamic boolean 0,1
group_concat_max_len                dynamic integer 4-18446744073709551615
gtid-mode                           dynamic string  OFF,OFF_PERMISSIVE,ON_PERMISSIVE,ON
init_connect                        dynamic string
innodb_adaptive_hash_index          dynamic boolean 0,1
innodb_autoinc_lock_mode            static  integer 0-2
innodb_buffer_pool_size             dynamic integer 5242880-9223372036854775807
innodb_file_per_table               dynamic boolean 0,1
innodb_flush_log_at_trx_commit      dynamic integer 0-2
innodb_ft_min_token_size            static  integer 0-16
innodb_io_capacity                  dynamic integer 100-18446744073709551615
innodb_lock_wait_timeout            dynamic integer 1-1073741824
innodb_log_buffer_size              dynamic integer 262144-4294967295
innodb_log_file_size                static  integer 4194304-549755813888
innodb_print_all_deadlocks          dynamic boolean 0,1
innodb_redo_log_capacity            dynamic integer 8388608-137438953472
innodb_rollback_on_timeout          static  boolean 0,1
innodb_stats_persistent             dynamic boolean 0,1
innodb_strict_mode                  dynamic boolean 0,1
interactive_timeout                 dynamic integer 1-31536000
join_buffer_size                    dynamic integer 128-18446744073709547520
key_buffer_size                     dynamic integer 16384-4294967295
lc_time_names                       dynamic string
local_infile                        dynamic boolean 0,1
lock_wait_timeout                   dynamic integer 1-31536000
log_bin_trust_function_creators     dynamic boolean 0,1
log_error_verbosity                 dynamic integer 1-3
log_output                          dynamic string  TABLE,FILE,NONE
log_queries_not_using_indexes       dynamic boolean 0,1
long_query_time                     dynamic float   0-31536000
lower_case_table_names              static  integer 0-1
max_allowed_packet                  dynamic integer 1024-1073741824
max_connect_errors                  dynamic integer 1-9223372036854775807
max_connections                     dynamic integer 1-100000
max_execution_time                  dynamic integer 0-18446744073709551615
max_heap_table_size                 dynamic integer 16384-18446744073709547520
max_prepared_stmt_count             dynamic integer 0-4194304
max_user_connections                dynamic integer 0-4294967295
min_examined_row_limit              dynamic integer 0-4294967295
net_read_timeout                    dynamic integer 1-31536000
net_write_timeout                   dynamic integer 1-31536000
optimizer_switch                    dynamic string
performance_schema                  static  boolean 0,1
range_optimizer_max_mem_size        dynamic integer 0-18446744073709551615
read_buffer_size                    dynamic integer 8200-2147479552
read_only                           dynamic string  0,1,{TrueIfReplica}
read_rnd_buffer_size                dynamic integer 8200-2147483647
require_secure_transport            dynamic boolean 0,1
skip_name_resolve                   static  boolean 0,1
slow_query_log                      dynamic boolean 0,1
sort_buffer_size                    dynamic integer 32768-18446744073709547520
sql_mode                            dynamic list
sql_require_primary_key             dynamic boolean 0,1
stored_program_cache                dynamic integer 16-524288
sync_binlog                         dynamic integer 0-4294967295
table_definition_cache              dynamic integer 400-524288
table_open_cache                    dynamic integer 1-524288
thread_cache_size                   dynamic integer 0-16384
thread_stack                        static  integer 131072-18446744073709551615
time_zone                           dynamic string
tls_version                         static  string
tmp_table_size                      dynamic integer 1024-18446744073709551615
transaction_isolation               dynamic string  READ-UNCOMMITTED,READ-COMMITTED,REPEATABLE-READ,SERIALIZABLE
wait_timeout                        dynamic integer 1-31536000
"""

# MySQL has these and MariaDB 10.11 does not, or has them per connection only.
_LACKING = {
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_results",
    "collation_connection",
    "enforce_gtid_consistency",
    "gtid-mode",
    "innodb_redo_log_capacity",
    "log_error_verbosity",
    "range_optimizer_max_mem_size",
    "sql_require_primary_key",
}
# The size of a database on a laptop is ours: a parameter written for a db.m7g.large would take the machine's memory.
_OURS = {"innodb_buffer_pool_size", "innodb_log_file_size", "innodb_log_buffer_size", "performance_schema"}
_OURS |= {"skip_name_resolve", "lower_case_table_names", "thread_stack"}

_MODES = """
ALLOW_INVALID_DATES ANSI ANSI_QUOTES ERROR_FOR_DIVISION_BY_ZERO HIGH_NOT_PRECEDENCE IGNORE_SPACE NO_AUTO_VALUE_ON_ZERO
NO_BACKSLASH_ESCAPES NO_DIR_IN_CREATE NO_ENGINE_SUBSTITUTION NO_UNSIGNED_SUBTRACTION NO_ZERO_DATE NO_ZERO_IN_DATE
ONLY_FULL_GROUP_BY PAD_CHAR_TO_FULL_LENGTH PIPES_AS_CONCAT REAL_AS_FLOAT STRICT_ALL_TABLES STRICT_TRANS_TABLES
TRADITIONAL
"""


@dataclass(frozen=True)
class Parameter:
    """One parameter as DescribeDBParameters shows it."""

    name: str
    apply_type: str  # "dynamic" or "static"
    data_type: str
    allowed: str = ""

    def admits(self, value: str) -> bool:
        """Whether AWS would take this value. Formulas in braces are taken as they are."""
        if not self.allowed or value == "" or "{" in value:
            return True
        numbers = re.fullmatch(r"(\d+)-(\d+)", self.allowed)
        if not numbers:
            return value.upper() in self.allowed.upper().split(",")
        try:
            return int(numbers[1]) <= float(value) <= int(numbers[2])
        except ValueError:
            return False


KNOWN = {name: Parameter(name, *rest) for name, *rest in (line.split() for line in _TABLE.strip().splitlines())}


def defaults(family: str) -> dict:
    """What a server of this family ("mysql8.4") starts with, as far as it shows to an application."""
    return {
        "character_set_server": "utf8mb4",
        "collation_server": "utf8mb4_0900_ai_ci",
        "max_connections": "100",
        "require_secure_transport": "0" if family.startswith("mysql8.0") else "1",
        "sql_mode": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
        "NO_ENGINE_SUBSTITUTION",
    }


def translate(parameters: dict) -> tuple[dict, list]:
    """(MariaDB's variables and values, the sorted names left out because MariaDB lacks them or their value)."""
    there, left_out = {}, []
    for name, value in parameters.items():
        variable, value = _spelling(name, str(value).strip())
        if variable is None:
            left_out.append(name)
        else:
            there[variable] = value
    return there, sorted(left_out)


def _spelling(name, value):
    if (
        name not in KNOWN
        or name in _LACKING
        or name in _OURS
        or "{" in value
        or not re.fullmatch(r"[\w .,:+=/@-]*", value)
    ):
        return None, value
    if name == "sql_mode":
        modes = [mode for mode in value.upper().split(",") if mode]
        return ("sql_mode", ",".join(modes)) if set(modes) <= set(_MODES.split()) else (None, value)
    if name == "time_zone":
        if value.upper() in ("UTC", "ETC/UTC", "GMT"):
            return "time_zone", "+00:00"
        # Names of zones need tables that Debian's server has not loaded.
        return ("time_zone", value) if re.fullmatch(r"[+-]\d\d:\d\d|SYSTEM", value) else (None, value)
    if name == "max_execution_time":  # milliseconds; MariaDB's counts in seconds
        return "max_statement_time", f"{int(value) / 1000:g}"
    if "collation" in name:
        return name, re.sub(r"^utf8mb4_0900_(\w+)$", r"utf8mb4_uca1400_\1", value)
    return name, value
