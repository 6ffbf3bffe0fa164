"""Sentences of everyday life: what people also say to a machine. They teach a model without out-of-scope examples what none of its intents is.

Those that are close to an example of the flow are left out when it is trained, so a flow about the weather still understands the weather.
"""

from typing import Final

# fmt: off
SENTENCES: Final = (
    # questions about the world
    "who painted the ceiling of that famous chapel", "how tall is the highest mountain on earth", "what language do they speak in brazil",
    "when did the berlin wall come down", "why is the sky blue during the day", "how do bees make honey", "what is the capital of australia",
    "who won the world cup in nineteen ninety", "how many bones does a shark have", "what does a black hole look like",
    "which planet has the most moons", "how deep is the pacific ocean", "who invented the telephone", "what is the oldest university",
    "how long do elephants live", "is a tomato a fruit or a vegetable", "what causes the northern lights", "how far away is the moon",
    "who was the first woman in space", "what is the difference between a frog and a toad", "how is glass made", "where do penguins sleep",
    # how to
    "how do i get red wine out of a carpet", "teach me to play chess", "how do you fold a fitted sheet", "how can i stop snoring",
    "what is a good way to learn the piano", "how do i train a puppy to sit", "how do you sharpen a kitchen knife",
    "what can i use instead of eggs in a cake", "how often should i water a cactus", "how do i write a poem", "how do i fix a flat bicycle tyre",
    "what is the best way to clean a mirror", "how do you tie a bow tie", "how do i get rid of ants in the kitchen",
    # talk
    "you are funny", "do you dream at night", "are you a real person or a robot", "what is your favourite colour", "i am bored",
    "tell me a story about dragons", "sing me a song", "do you like cats or dogs more", "what do you think about love",
    "i had a strange dream last night", "my brother is coming to visit", "that is not what i expected from life", "guess what happened today",
    "the neighbours are so loud again", "i really need a holiday", "my tooth hurts", "it is raining cats and dogs", "well that went badly",
    "you know nothing", "life is hard sometimes", "i am so tired today", "let me think about it for a while", "this is a test", "blah blah blah",
    # wishes that few services fulfil
    "recommend a good crime novel", "which film should i watch tonight", "play some jazz", "what is a good name for a parrot",
    "find me a partner for tennis", "plan my wedding", "draw a picture of a horse", "predict my future", "do my homework for me",
    "what should i wear to a funeral", "choose a present for my grandmother", "which stocks will go up next year", "write a speech for my boss",
    "translate this letter into latin", "what rhymes with orange", "solve this riddle", "who will win the election", "calculate the mass of the sun",
    "give me a recipe for onion soup", "show me pictures of kittens", "what is the score of the game", "count to one hundred backwards",
    "what is seven times eighty three", "which vaccine do i need for kenya", "is there life on other planets", "what is the meaning of life",
    "how do i become a pilot", "what does this word mean", "read me the news", "what is trending on the internet", "who is that actor",
    "how do magnets work", "can dogs eat chocolate", "why do cats purr", "what is the best car ever built", "is coffee bad for the heart",
    # in other languages
    "wie hoch ist der höchste berg der welt", "warum ist der himmel blau", "erzähl mir einen witz", "wer hat das telefon erfunden",
    "bist du ein echter mensch", "welchen film soll ich heute abend sehen", "wie bekomme ich rotwein aus dem teppich", "mir ist langweilig",
    "schreib mir ein gedicht", "was ist der sinn des lebens", "wie wird das wetter auf dem mars", "ich habe schlecht geschlafen",
    "welche sprache spricht man in brasilien", "kannst du singen", "wie spielt man schach", "mein bruder kommt zu besuch",
    "raconte moi une histoire", "pourquoi le ciel est il bleu", "quelle est la capitale de l'australie", "je suis fatigué aujourd'hui",
    "cuéntame un chiste", "por qué ronronean los gatos", "cuál es el sentido de la vida", "qué película debería ver esta noche",
)
# fmt: on
