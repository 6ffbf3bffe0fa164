"""Chat with a flow from the command line, or watch a conversation."""

import argparse

from clients.chat.client import Chat, Refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8002")
    parser.add_argument("--key", required=True)
    parser.add_argument("--flow", default="permit_desk")
    parser.add_argument("--locale", default="en")
    parser.add_argument("--watch", metavar="CONVERSATION_ID")
    options = parser.parse_args()
    chat = Chat(options.url, options.key)
    try:
        if options.watch:
            for event in chat.watch(options.watch):
                print(event["seq"], event["kind"], event["data"])
        else:
            talk(chat, options.flow, options.locale)
    except Refused as refused:
        raise SystemExit(str(refused)) from None


def talk(chat: Chat, flow: str, locale: str) -> None:
    answer = chat.start(flow, locale=locale)
    conversation = answer["conversation_id"]
    print(f"conversation {conversation} (Ctrl-D ends)")
    while True:
        print(f"< {answer['response'].get('text', '')}")
        try:
            said = input("> ")
        except EOFError:
            return
        answer = chat.say(conversation, said)


if __name__ == "__main__":
    main()
