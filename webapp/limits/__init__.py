"""How often somebody may try what costs a run of the hasher, a mail or an account; counted in Redis.

A try is counted before anything is computed, by one script, so that no burst of parallel requests gets past. Who is
refused is told when to come back, and what was refused is not counted: nobody's waiting grows by asking.

Nobody can be locked out. Tries at one name from everywhere together make the next wait, a minute at most, save from an
address or by a browser from which its owner has signed in before; a new password by mail makes them such ones too.

Without Redis nothing that is limited can be done: SessionsUnavailable, 503. Signing in needs a session anyway. What an
API token opens is not limited, and goes on.
"""
