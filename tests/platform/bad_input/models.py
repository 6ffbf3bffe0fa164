"""Bad models, trainings and lessons."""

from tests.platform.bad_input.row import Bad

SCHEMA = "SCHEMA_ERROR"
NOBODY = "00000000-0000-4000-8000-000000000000"
TRAIN = "POST flows/echo/intents/train"
LEARN = "POST flows/echo/unhandled/learn"

ROWS = [
    Bad("no such model", f"GET models/{NOBODY}", None, 404, "MODEL_NOT_FOUND"),
    Bad("promotion of no model", f"POST models/{NOBODY}/promote", {}, 404, "MODEL_NOT_FOUND"),
    Bad("promotion with a misspelt reason", f"POST models/{NOBODY}/promote", {"overide": "x"}, 400, SCHEMA, "$.overide"),
    Bad("promotion with a novel", f"POST models/{NOBODY}/promote", {"override": "x" * 501}, 400, SCHEMA, "$.override"),
    Bad("roll back of no model", f"POST models/{NOBODY}/rollback", None, 404, "MODEL_NOT_FOUND"),
    Bad("rejection that is a list", f"POST models/{NOBODY}/reject", [], 400, SCHEMA, "$"),
    Bad("models of a made-up status", "GET models?status=best", None, 400, SCHEMA, "$.status"),
    Bad("promotion with a note of a novel", f"POST models/{NOBODY}/promote", {"note": "x" * 501}, 400, SCHEMA, "$.note"),
    Bad("comparison of no model", f"GET models/{NOBODY}/comparison", None, 404, "MODEL_NOT_FOUND"),
    Bad("comparison with what is no id", f"GET models/{NOBODY}/comparison?beside=best", None, 400, SCHEMA, "$.beside[0]"),
    Bad("drift of no model", f"GET models/{NOBODY}/drift", None, 404, "MODEL_NOT_FOUND"),
    Bad("reading of no model", f"POST models/{NOBODY}/drift", None, 404, "MODEL_NOT_FOUND"),
    Bad("card of no model", f"GET models/{NOBODY}/card", None, 404, "MODEL_NOT_FOUND"),
    Bad("export of no model", f"POST models/{NOBODY}/export", None, 404, "MODEL_NOT_FOUND"),
    Bad("training of version zero", TRAIN, {"version": 0}, 400, SCHEMA, "$.version"),
    Bad("training of a version that is not there", TRAIN, {"version": 77}, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("training without examples", TRAIN, {}, 409, "TOO_FEW_EXAMPLES"),
    Bad("training of no flow", "POST flows/nobody/intents/train", {}, 404, "FLOW_NOT_FOUND"),
    Bad("lesson without words", LEARN, {"intent": "a", "texts": []}, 400, SCHEMA, "$.texts"),
    Bad("lesson of blank words", LEARN, {"intent": "a", "texts": [" "]}, 400, SCHEMA, "$.texts[0]"),
    Bad("lesson without an intent", LEARN, {"texts": ["x"]}, 400, SCHEMA, "$.intent"),
    Bad("lesson of no intent", LEARN, {"intent": "nothing", "texts": ["x"]}, 404, "INTENT_NOT_FOUND"),
    Bad("what no flow has not understood", "GET flows/nobody/unhandled", None, 404, "FLOW_NOT_FOUND"),
]
