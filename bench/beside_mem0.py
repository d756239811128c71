"""mem0's search of the same rows, for bench.memory: run by the Python that has `mem0ai`.

Reads its task from standard input, prints seconds and ids found.
"""

import json
import os
import sys
import tempfile
import time

os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": tempfile.mkdtemp(), "OPENAI_API_KEY": "none"}

import psycopg
from mem0 import Memory  # type: ignore[import-not-found]

asked = json.load(sys.stdin)
service = {"openai_base_url": asked["service"], "api_key": "none", "model": asked["model"]}
memory = Memory.from_config(
    {
        "vector_store": {
            "provider": "pgvector",
            "config": {
                "connection_string": asked["url"],
                "collection_name": "mem0",
                "embedding_model_dims": asked["dimensions"],
                "hnsw": True,
            },
        },
        "embedder": {
            "provider": "openai",
            "config": service | {"embedding_dims": asked["dimensions"]},
        },
        "llm": {"provider": "openai", "config": service},
    }
)
memory.search("makes its table", filters={"user_id": "nobody"})
with psycopg.connect(asked["url"], autocommit=True) as connection:
    connection.execute("SET maintenance_work_mem = '512MB'")
    connection.execute("DROP INDEX mem0_hnsw_idx")
    connection.execute(
        "INSERT INTO mem0 SELECT id, embedding::vector, jsonb_build_object("
        "'data', content, 'text_lemmatized', content, 'user_id', memories.user_id,"
        "'hash', md5(content), 'created_at', created_at)"
        " FROM memories JOIN memory_numbers ON memory_id = id"
    )
    connection.execute("CREATE INDEX mem0_hnsw_idx ON mem0 USING hnsw (vector vector_cosine_ops)")
    connection.execute("VACUUM ANALYZE mem0")
answers = {}
for scope, (caller, queries) in asked["scopes"].items():
    took, found = [], {}
    for query in queries:
        began = time.perf_counter()
        results = memory.search(query, filters={"user_id": caller}, top_k=10)["results"]
        took.append(time.perf_counter() - began)
        found[query] = [one["id"] for one in results]
    answers[scope] = took, found
print(json.dumps(answers))
