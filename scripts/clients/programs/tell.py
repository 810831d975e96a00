"""What the Python programs have in common: the question, the arguments, and how an answer is shown."""
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
