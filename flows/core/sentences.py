"""What the engine says when a flow does not say it itself, by language. Flows and tenants may put their own words in place of each.

`{name}` is a fact; in an author's own words it is `{{ facts.name }}`.
"""

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "apology": {
        "en": "Sorry, something went wrong on our side. Please try again.",
        "de": "Entschuldigung, bei uns ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal.",
        "es": "Lo sentimos, algo ha fallado por nuestra parte. Inténtelo de nuevo, por favor.",
        "fr": "Désolé, une erreur s'est produite de notre côté. Veuillez réessayer.",
    },
    "timeout": {
        "en": "Sorry, that took too long. Please try again in a moment.",
        "de": "Entschuldigung, das hat zu lange gedauert. Bitte versuchen Sie es gleich noch einmal.",
        "es": "Lo sentimos, ha tardado demasiado. Inténtelo de nuevo en un momento, por favor.",
        "fr": "Désolé, cela a pris trop de temps. Veuillez réessayer dans un instant.",
    },
    "unavailable": {
        "en": "Sorry, I can't reach the service that I need for this. Please try again in a moment.",
        "de": "Entschuldigung, ich erreiche den dafür nötigen Dienst nicht. Bitte versuchen Sie es gleich noch einmal.",
        "es": "Lo siento, no puedo conectar con el servicio que necesito. Inténtelo de nuevo en un momento, por favor.",
        "fr": "Désolé, je n'arrive pas à joindre le service nécessaire. Veuillez réessayer dans un instant.",
    },
    "not_understood": {
        "en": "Sorry, I didn't understand that.",
        "de": "Entschuldigung, das habe ich nicht verstanden.",
        "es": "Lo siento, no lo he entendido.",
        "fr": "Désolé, je n'ai pas compris.",
    },
    "escalated": {
        "en": 'I still don\'t understand, I\'m afraid. You can rephrase it, or write "restart" or "human".',
        "de": 'Das verstehe ich leider immer noch nicht. Formulieren Sie es anders, oder schreiben Sie "neu starten" oder "mensch".',
        "es": 'Sigo sin entenderlo. Puede decirlo de otra manera, o escribir "reiniciar" o "agente".',
        "fr": 'Je ne comprends toujours pas. Reformulez, ou écrivez "recommencer" ou "conseiller".',
    },
    "which": {
        "en": "What do you mean?",
        "de": "Was meinen Sie?",
        "es": "¿A qué se refiere?",
        "fr": "Que voulez-vous dire ?",
    },
    "something_else": {
        "en": "Something else",
        "de": "Etwas anderes",
        "es": "Otra cosa",
        "fr": "Autre chose",
    },
    "rephrase": {
        "en": "Then please say it in other words.",
        "de": "Dann sagen Sie es bitte mit anderen Worten.",
        "es": "Entonces dígalo con otras palabras, por favor.",
        "fr": "Alors dites-le autrement, s'il vous plaît.",
    },
    "confirm_correction": {
        "en": "Something has been sent already with the old value. Change it anyway?",
        "de": "Mit dem alten Wert wurde schon etwas abgeschickt. Trotzdem ändern?",
        "es": "Ya se ha enviado algo con el valor anterior. ¿Cambiarlo de todos modos?",
        "fr": "Quelque chose a déjà été envoyé avec l'ancienne valeur. La changer quand même ?",
    },
    "stale": {
        "en": "That button belongs to an earlier question. Here is the current one:",
        "de": "Dieser Knopf gehört zu einer früheren Frage. Hier ist die aktuelle:",
        "es": "Ese botón pertenece a una pregunta anterior. Esta es la actual:",
        "fr": "Ce bouton appartient à une question précédente. Voici la question actuelle :",
    },
    "ask_slot": {
        "en": "Please tell me: {slot}",
        "de": "Bitte nennen Sie mir: {slot}",
        "es": "Por favor, indíqueme: {slot}",
        "fr": "Veuillez m'indiquer : {slot}",
    },
    "help": {
        "en": 'You can write "restart", "repeat", "cancel", "human" or "stop" at any time.',
        "de": 'Sie können jederzeit "neu starten", "wiederholen", "abbrechen", "mensch" oder "stopp" schreiben.',
        "es": 'En cualquier momento puede escribir "reiniciar", "repetir", "cancelar", "agente" o "salir".',
        "fr": 'Vous pouvez écrire à tout moment "recommencer", "répéter", "annuler", "conseiller" ou "arrêter".',
    },
    "human": {
        "en": "I'm handing you over to a colleague. Please wait a moment.",
        "de": "Ich verbinde Sie mit einer Kollegin oder einem Kollegen. Einen Moment bitte.",
        "es": "Le paso con una persona de nuestro equipo. Un momento, por favor.",
        "fr": "Je vous mets en relation avec un collègue. Un instant, s'il vous plaît.",
    },
    "handed_back": {
        "en": "You are talking to the assistant again.",
        "de": "Sie sprechen jetzt wieder mit dem Assistenten.",
        "es": "Vuelve a hablar con el asistente.",
        "fr": "Vous parlez de nouveau avec l'assistant.",
    },
    "nobody_free": {
        "en": "I'm sorry, nobody is free at the moment. Let me go on instead.",
        "de": "Leider ist gerade niemand frei. Ich mache für Sie weiter.",
        "es": "Lo siento, ahora mismo no hay nadie disponible. Sigo yo.",
        "fr": "Désolé, personne n'est disponible pour le moment. Je continue avec vous.",
    },
    "stop": {"en": "Goodbye!", "de": "Auf Wiedersehen!", "es": "¡Hasta pronto!", "fr": "Au revoir !"},
    "cancelled": {"en": "Cancelled.", "de": "Abgebrochen.", "es": "Cancelado.", "fr": "Annulé."},
    "yes": {"en": "Yes", "de": "Ja", "es": "Sí", "fr": "Oui"},
    "no": {"en": "No", "de": "Nein", "es": "No", "fr": "Non"},
    "minimum": {
        "en": "It must be at least {limit}.",
        "de": "Es muss mindestens {limit} sein.",
        "es": "Debe ser como mínimo {limit}.",
        "fr": "Il faut au moins {limit}.",
    },
    "maximum": {
        "en": "It must be at most {limit}.",
        "de": "Es darf höchstens {limit} sein.",
        "es": "Debe ser como máximo {limit}.",
        "fr": "Il faut au plus {limit}.",
    },
    "min_length": {
        "en": "It must have at least {limit} characters.",
        "de": "Es muss mindestens {limit} Zeichen haben.",
        "es": "Debe tener al menos {limit} caracteres.",
        "fr": "Il faut au moins {limit} caractères.",
    },
    "max_length": {
        "en": "It must have at most {limit} characters.",
        "de": "Es darf höchstens {limit} Zeichen haben.",
        "es": "Debe tener como máximo {limit} caracteres.",
        "fr": "Il faut au plus {limit} caractères.",
    },
    "whole": {
        "en": "It must be a whole number.",
        "de": "Es muss eine ganze Zahl sein.",
        "es": "Debe ser un número entero.",
        "fr": "Il faut un nombre entier.",
    },
    "pattern": {
        "en": "It does not have the right format.",
        "de": "Das Format stimmt nicht.",
        "es": "El formato no es correcto.",
        "fr": "Le format n'est pas correct.",
    },
    "choice": {
        "en": "Please choose one of: {choices}.",
        "de": "Bitte wählen Sie eines davon: {choices}.",
        "es": "Por favor, elija una de estas opciones: {choices}.",
        "fr": "Veuillez choisir parmi : {choices}.",
    },
    "which_product": {
        "en": "Which one do you mean: {products}?",
        "de": "Welches meinen Sie: {products}?",
        "es": "¿Cuál quiere decir: {products}?",
        "fr": "Lequel voulez-vous dire : {products} ?",
    },
    "unknown_product": {
        "en": "I don't know this product.",
        "de": "Dieses Produkt kenne ich nicht.",
        "es": "No conozco ese producto.",
        "fr": "Je ne connais pas ce produit.",
    },
    "email": {
        "en": "This is not a valid e-mail address.",
        "de": "Das ist keine gültige E-Mail-Adresse.",
        "es": "No es una dirección de correo válida.",
        "fr": "Ce n'est pas une adresse e-mail valide.",
    },
    "phone": {
        "en": "This is not a valid phone number.",
        "de": "Das ist keine gültige Telefonnummer.",
        "es": "No es un número de teléfono válido.",
        "fr": "Ce n'est pas un numéro de téléphone valide.",
    },
    "url": {
        "en": "This is not a valid web address.",
        "de": "Das ist keine gültige Webadresse.",
        "es": "No es una dirección web válida.",
        "fr": "Ce n'est pas une adresse web valide.",
    },
    "unit": {
        "en": "I don't know this unit. I know: {units}.",
        "de": "Diese Einheit kenne ich nicht. Ich kenne: {units}.",
        "es": "No conozco esa unidad. Conozco: {units}.",
        "fr": "Je ne connais pas cette unité. Je connais : {units}.",
    },
    "range": {
        "en": "The end must not come before the beginning.",
        "de": "Das Ende darf nicht vor dem Anfang liegen.",
        "es": "El final no puede ser anterior al comienzo.",
        "fr": "La fin ne peut pas précéder le début.",
    },
    "attachment": {
        "en": "Please send a file.",
        "de": "Bitte schicken Sie eine Datei.",
        "es": "Envíe un archivo, por favor.",
        "fr": "Veuillez envoyer un fichier.",
    },
    "expression": {
        "en": "This value is not possible here.",
        "de": "Dieser Wert ist hier nicht möglich.",
        "es": "Ese valor no es posible aquí.",
        "fr": "Cette valeur n'est pas possible ici.",
    },
}
