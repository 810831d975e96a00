"""What the Python programs have in common: the question, the arguments, and how an answer is shown."""
import json
import sys

question = "Who is on tonight?"
gateway, model = sys.argv[1], sys.argv[2]


def tell(texts):
    """Prints the texts as they come; ends with 1 and the error's name and message where it raises."""
    try:
        for text in texts():
            print(text or "", end="", flush=True)
        print()
    except Exception as error:
        first = str(error).split("\n")[0]
        print(f"\n{type(error).__name__}: {first}", file=sys.stderr)
        sys.exit(1)


def tell_each(calls):
    """Makes calls by their names, one after the other. Prints for each a line of JSON: what was said, or the error."""
    for call, make in calls.items():
        try:
            told = {"said": make()}
        except Exception as error:
            first = str(error).split("\n")[0]
            told = {"error": f"{type(error).__name__}: {first}"}
        print(json.dumps({"call": call, **told}), flush=True)
